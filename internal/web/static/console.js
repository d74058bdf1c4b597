// The operators' pages: joining, signing in, and the touch for a form that changes something.
//
// The touch is asked for with the whole form, so that the server binds the challenge to what is on the screen; the answer goes
// with the form itself. Nothing is kept between the two.

import { go, post, say, sayError } from './wire.js';

const api = window.PublicKeyCredential;
const able = Boolean(api?.parseRequestOptionsFromJSON && api?.parseCreationOptionsFromJSON && navigator.credentials);

// What stands behind the # of an invitation reaches no server log; it leaves the address bar, and the history, at once.
const invitation = location.hash.slice(1);
if (invitation) history.replaceState(null, '', location.pathname);

async function join(form) {
  const begun = await post('/join/begin', { link: invitation });
  say(form, 'waiting');
  const credential = await navigator.credentials.create({ publicKey: api.parseCreationOptionsFromJSON(begun.options) });
  const { to } = await post('/join/finish', { link: invitation, credential: credential.toJSON() });
  go(to);
}

async function signIn(form) {
  const begun = await post('/signin/begin', {});
  say(form, 'waiting');
  const credential = await navigator.credentials.get({ publicKey: api.parseRequestOptionsFromJSON(begun.options) });
  const { to } = await post('/signin/finish', { credential: credential.toJSON(), to: new FormData(form).get('to') ?? '' });
  go(to);
}

async function touchThenSend(form, submitter, waiting = 'waiting') {
  const fields = new URLSearchParams(new FormData(form));
  fields.set('act', submitter?.dataset.act ?? form.dataset.act);
  const begun = await post('/touch', fields);
  say(form, waiting);
  const credential = await navigator.credentials.get({ publicKey: api.parseRequestOptionsFromJSON(begun.options) });
  form.elements.namedItem('credential').value = JSON.stringify(credential.toJSON());
  if (submitter?.hasAttribute('formaction')) form.action = submitter.formAction;
  form.submit(); // not requestSubmit: this handler is done with it
}

// The new passkey is made first, because the touch of one that is already there is for exactly the one that was made.
async function addKey(form, submitter) {
  const made = form.elements.namedItem('made');
  if (!made.value) { // it is there when only the touch was cancelled: one try must not leave two passkeys behind
    const begun = await post('/you/keys/begin', {});
    say(form, 'waiting');
    const key = await navigator.credentials.create({ publicKey: api.parseCreationOptionsFromJSON(begun.options) });
    made.value = JSON.stringify(key.toJSON());
  }
  await touchThenSend(form, submitter, 'first');
}

const ceremonies = { 'add-key': addKey, join, 'sign-in': signIn, touch: touchThenSend };

document.addEventListener('submit', async (event) => {
  const form = event.target;
  const ceremony = ceremonies[form.dataset.ceremony];
  if (!ceremony) return;
  event.preventDefault();
  if (form.ariaBusy === 'true') return;
  if (!able) {
    say(form, 'unsupported');
    return;
  }
  form.ariaBusy = 'true';
  try {
    await ceremony(form, event.submitter);
  } catch (error) {
    sayError(form, error);
  } finally {
    form.ariaBusy = 'false';
  }
});
