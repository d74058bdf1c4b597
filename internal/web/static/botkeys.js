// Forms about API keys. What was typed survives the touch that leads away and back; a private key never leaves the page. After a key was
// made, the page waits for its first good call.

import { ensureFresh } from './renew.js';
import { get } from './wire.js';

/** Bare base64 of a public key has at most 60 characters; what is longer holds the other half. */
function looksPrivate(text) {
  const bare = text.replace(/\s/g, '');
  return /PRIVATE KEY/.test(text) || (!/^(-----|ssh-)/.test(bare) && bare.length > 60);
}

// ---- a form that may be led away

const form = document.querySelector('form[data-keep]');

function keep(name) {
  const version = form.elements.version?.value ?? '';
  sessionStorage.setItem(name, JSON.stringify({ version, typed: [...new FormData(form)].filter(([field]) => field !== 'version') }));
}

/** Put back what was typed, once, and never over a key that was changed meanwhile. */
function putBack(name) {
  const text = sessionStorage.getItem(name);
  sessionStorage.removeItem(name);
  if (!text || document.querySelector('.receipt, .note.red[role=alert]:not([hidden])')) return;
  const { version, typed } = JSON.parse(text);
  if (version !== (form.elements.version?.value ?? '')) return;
  for (const box of form.elements) {
    if (!box.name || box.type === 'hidden') continue;
    const values = typed.filter(([field]) => field === box.name).map(([, value]) => value);
    if (box.type === 'checkbox' || box.type === 'radio') box.checked = values.includes(box.value);
    else box.value = values[0] ?? '';
  }
  document.querySelector('[data-kept]').hidden = false;
}

/** The key so far, beside the form. */
function summary() {
  const parts = {
    purpose: form.elements.purpose.value.trim(),
    scope: [...form.querySelectorAll('[name=scope]:checked')].map((box) => box.closest('label').querySelector('[data-name]').textContent).join(', '),
    places: form.elements.places.value.trim().split(/[\s,]+/).join(', '),
    symbols: form.elements.symbols.value.trim().split(/[\s,]+/).join(', '),
    days: form.elements.days.value.trim(),
  };
  for (const [name, text] of Object.entries(parts)) {
    const line = document.querySelector(`[data-so="${name}"]`);
    line.querySelector('[data-none]').hidden = text !== '';
    line.querySelector('[data-some]').textContent = text;
  }
  const has = (start) => form.querySelector(`[name=scope][value^="${start}"]:checked`);
  const worst = has('withdraw') ? 'withdraw' : has('transfer') ? 'transfer' : has('trade.spot') || has('trade.margin') || has('trade.futures') ? 'trade' : 'read';
  for (const words of document.querySelectorAll('[data-leak]')) words.hidden = words.dataset.leak !== worst;
}

if (form) {
  const name = `key ${form.dataset.keep}`;
  putBack(name);
  form.addEventListener('submit', (event) => {
    const { public: half } = form.elements;
    if (half && looksPrivate(half.value)) {
      event.preventDefault();
      half.value = '';
      form.querySelector('[data-private]').hidden = false;
      half.focus();
      return;
    }
    keep(name);
  });
  if (document.querySelector('[data-so]')) {
    form.addEventListener('input', summary);
    summary();
  }
  form.addEventListener('click', ({ target }) => {
    const button = target.closest('[data-fill]');
    if (!button) return;
    const { places } = form.elements;
    const lines = places.value.split(/[\s,]+/).filter(Boolean);
    if (!lines.includes(button.dataset.fill)) places.value = [...lines, button.dataset.fill].join('\n');
    summary();
  });
}

// What was kept for a form whose act is done is not for the next one.
for (const done of document.querySelectorAll('[data-done]')) sessionStorage.removeItem(done.dataset.done);

// ---- the first good call of a new key

const watch = document.querySelector('[data-used]');

async function firstCall() {
  for (let tries = 0; tries < 120; tries++) { // ten minutes
    await new Promise((done) => setTimeout(done, 5000));
    if (document.hidden) continue;
    try {
      await ensureFresh();
      const { used, addr } = await get(watch.dataset.used);
      if (!used) continue;
      watch.querySelector('[data-wait]').hidden = true;
      watch.querySelector('[data-here]').hidden = false;
      watch.querySelector('[data-addr]').textContent = addr;
      return;
    } catch { /* a lost line is no answer: the next try asks again */ }
  }
  watch.querySelector('[data-wait]').hidden = true;
  watch.querySelector('[data-late]').hidden = false;
}

if (watch) {
  sessionStorage.removeItem('key new');
  firstCall();
}
