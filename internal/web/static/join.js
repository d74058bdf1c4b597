// A page that waits for another device: it looks every few seconds and loads itself again when something changed. Without this
// file there is a link that does the same.

import { get } from './wire.js';

const waits = document.querySelector('[data-watch]');

async function look() {
  if (document.hidden) return;
  try {
    const { state } = await get(waits.dataset.watch);
    if (state !== waits.dataset.state) location.reload();
  } catch { /* the next look may do */ }
}

if (waits) setInterval(look, 2500);
