// On to the exchange. The page shows where it leads; this asks for the one-time code with a proof of the browser's key, so that a
// copied cookie does not get one, and leaves.

import { leave } from './leave.js';
import { refresh } from './renew.js';
import { go, post, sayError } from './wire.js';

const page = document.querySelector('[data-handoff]');
const { to, state, challenge } = page.dataset;

try {
  await refresh(); // if the session is not fresh; either way the answer brings the nonce the proof needs
  const answer = await post('/handoff', { to, state, challenge }, { prove: true });
  leave(to, answer.to);
} catch (error) {
  if (error.code === 'step_up_required') { // a browser without a key: its owner's touch instead
    go(`${error.url}&to=${encodeURIComponent(location.pathname + location.search)}`);
  } else {
    sayError(page, error);
    page.querySelector('[data-again]').hidden = false; // loads the page anew: the server knows what is missing
  }
}
