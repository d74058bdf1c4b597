// The answer to an app. For the exchange's own apps the page asks by itself; for others the person presses the button, and what was
// unticked is not given. Either way the one-time code is asked for with a proof of the browser's key, so that a copied cookie does not
// get one.

import { leave } from './leave.js';
import { refresh } from './renew.js';
import { go, post, sayError } from './wire.js';

const page = document.querySelector('[data-authorize]');
const button = page.querySelector('[data-allow]');
const boxes = [...page.querySelectorAll('[name=scope]')];
const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);

// A touch leads away and back: what was unticked before stays so, or the person would give on the way back what they had refused.
const kept = `chosen ${page.dataset.ask}`;
const before = sessionStorage.getItem(kept);
if (before) {
  for (const box of boxes) box.checked = before.split(' ').includes(box.value);
  sessionStorage.removeItem(kept);
}

async function allow() {
  if (button) button.disabled = true;
  try {
    await refresh(); // if the session is not fresh; either way the answer brings the nonce the proof needs
    const body = { ask: page.dataset.ask };
    if (button) body.chosen = chosen();
    const answer = await post('/oauth/authorize/answer', body, { prove: true });
    leave(page.dataset.redirect, answer.to);
  } catch (error) {
    if (error.code === 'step_up_required') { // the owner's touch first; it leads back here
      sessionStorage.setItem(kept, chosen().join(' ') || ' ');
      go(`${error.url}&to=${encodeURIComponent(location.pathname + location.search)}`);
      return;
    }
    sayError(page, error);
    if (button) button.disabled = false;
    page.querySelector('[data-again]').hidden = false;
  }
}

if (button) button.addEventListener('click', allow);
else await allow();
