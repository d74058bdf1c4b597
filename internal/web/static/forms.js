// Nothing typed is ever lost to a session that ran out: a form that needs one renews it first, then goes.
// A POST that was refused is never sent again by script; the person presses the button again.

import { ensureFresh, refresh } from './renew.js';
import { Problem } from './wire.js';

const sure = new WeakSet();

document.addEventListener('submit', async (event) => {
  const form = event.target;
  // Forms with data-act ask for a touch first and are passkey.js's.
  if (event.defaultPrevented || !form.matches('[data-fresh]:not([data-act])') || sure.delete(form)) return;
  event.preventDefault();
  try {
    // "key": the act reaches beyond this session, so the browser's key has to have spoken just now.
    await (form.dataset.fresh === 'key' ? refresh({ again: true }) : ensureFresh());
    // A task of its own: on a real click the lines above run as a microtask inside the dispatch of this event, and a form ignores
    // requestSubmit() while its submit event is being fired (HTML §4.10.21.3 step 5).
    await new Promise((done) => setTimeout(done));
    sure.add(form);
    form.requestSubmit(event.submitter);
  } catch (error) {
    stay(form, error);
  }
});

/** Say beside the form why it was not sent, and leave everything in it. */
export function stay(form, error) {
  const name = error instanceof Problem && error.status < 500 ? 'ended' : 'offline';
  const words = document.getElementById('stay')?.content.querySelector(`[data-stay="${name}"]`);
  form.querySelector('[data-stay]')?.remove();
  if (words) form.append(words.cloneNode(true));
}
