// Passkey ceremonies: sign-up, sign-in (button and autofill), adding one, and the touch for a named act.
//
// The browser's own JSON helpers do the encoding. The server decides everything; this file only asks the device and says, in
// words that are already on the page, what came of it. Cancelling is not an error.

import { ensureFresh, refresh } from './renew.js';
import { stay } from './forms.js';
import { Problem, get, go, post, say, sayError } from './wire.js';

const api = window.PublicKeyCredential;
const able = Boolean(api?.parseRequestOptionsFromJSON && api?.parseCreationOptionsFromJSON && navigator.credentials);

/** Options as our endpoints send them: {options: {publicKey: …}}. A hint puts the way the person chose first (L3 §5.8.7). */
function requestOptions({ options }, hint) {
  const publicKey = api.parseRequestOptionsFromJSON(options.publicKey ?? options);
  if (hint) publicKey.hints = [hint];
  return publicKey;
}

function creationOptions({ options }, hint) {
  const publicKey = api.parseCreationOptionsFromJSON(options.publicKey ?? options);
  if (hint) publicKey.hints = [hint];
  if (hint === 'security-key') {
    publicKey.authenticatorSelection = { ...publicKey.authenticatorSelection, authenticatorAttachment: 'cross-platform' };
  }
  return publicKey;
}

// ---- sign-in

// Autofill waits in the background from the moment the page opens; any other call to the device must end it first.
let waiting; // {stop: AbortController, done: Promise, since: ms}
const CHALLENGE_AGE = 4 * 60_000; // shorter than the server's five minutes: an old question is replaced before it can fail

async function offerAutofill(form) {
  if (!able || !(await api.isConditionalMediationAvailable?.())) return;
  const stop = new AbortController();
  const done = (async () => {
    const begun = await post('/signin/begin', {});
    if (stop.signal.aborted) return;
    const credential = await navigator.credentials.get({ publicKey: requestOptions(begun), mediation: 'conditional', signal: stop.signal });
    clearTimeout(again);
    waiting = undefined;
    await busy(form, () => finishSignIn(form, credential).catch((error) => {
      offerAutofill(form);
      throw error;
    }));
  })().catch(() => {}); // nobody asked for anything yet, so nothing is said; what busy() ran has said its own
  const again = setTimeout(() => restart(form), CHALLENGE_AGE);
  stop.signal.addEventListener('abort', () => clearTimeout(again));
  waiting = { stop, done, since: Date.now() };
}

async function stopAutofill() {
  const was = waiting;
  waiting = undefined;
  was?.stop.abort();
  await was?.done; // a second call to the device while the first is still ending would be refused
}

async function restart(form) {
  if (document.hidden) return; // visibilitychange takes over
  await stopAutofill();
  await offerAutofill(form);
}

async function signIn(form, hint) {
  await stopAutofill();
  try {
    const begun = await post('/signin/begin', {});
    say(form, 'waiting');
    const credential = await navigator.credentials.get({ publicKey: requestOptions(begun, hint) });
    await finishSignIn(form, credential);
  } catch (error) {
    offerAutofill(form);
    throw error;
  }
}

async function finishSignIn(form, credential) {
  say(form, 'checked');
  const fields = new FormData(form);
  try {
    const { to } = await post('/signin/finish', {
      credential: credential.toJSON(), remember: fields.get('remember') === 'yes', to: fields.get('to') ?? '',
    }, { prove: true });
    go(to);
  } catch (error) {
    if (error.code !== 'passkey_unknown') throw error;
    // Final in the browser's list, so only on the server's plain word that no account has this key.
    await api.signalUnknownCredential?.({ rpId: error.purpose?.rp_id ?? location.hostname, credentialId: credential.id })?.catch(() => {});
    say(form, 'gone');
  }
}

// ---- sign-up and one more passkey

async function signUp(form, hint) {
  const begun = await post('/signup/begin', { mail: new FormData(form).get('mail') });
  say(form, 'waiting');
  const credential = await navigator.credentials.create({ publicKey: creationOptions(begun, hint) });
  say(form, 'checked');
  const { to } = await post('/signup/finish', { credential: credential.toJSON() }, { prove: true });
  go(to);
}

async function addPasskey(form, hint) {
  await ensureFresh();
  let begun = await post('/passkeys/begin', {});
  if (begun.needs) { // a plain answer and no refusal: asking for the first touch is how this page goes
    say(form, 'first');
    await touch(form);
    begun = await post('/passkeys/begin', {});
  }
  say(form, 'waiting');
  const credential = await navigator.credentials.create({ publicKey: creationOptions(begun, hint) });
  say(form, 'checked');
  await ensureFresh(); // the device's window may have stood open for minutes
  const { to } = await touched(form, () => post('/passkeys/finish', { credential: credential.toJSON(), name: new FormData(form).get('name') ?? '' }));
  go(to ?? '/passkeys');
}

// ---- a new device that is let in with a code

async function showCode(form) {
  await get('/session/state'); // brings the nonce the proof needs: the code is then bound to this browser's key too
  const { to } = await post('/new', new URLSearchParams(new FormData(form)), { prove: true });
  go(to);
}

async function joinKey(form) {
  await get('/session/state');
  const begun = await post('/new/begin', {}, { prove: true });
  say(form, 'waiting');
  const credential = await navigator.credentials.create({ publicKey: creationOptions(begun) });
  say(form, 'checked');
  const { to } = await post('/new/finish', { credential: credential.toJSON(), name: new FormData(form).get('name') ?? '' }, { prove: true });
  go(to);
}

// ---- the touch for a named act

/** Run an act; if it needs a touch that this very page names, ask for it here and run the act once more. Else go where the server says. */
async function touched(form, run) {
  try {
    return await run();
  } catch (error) {
    if (error.code !== 'step_up_required') throw error;
    const { act, object = '' } = error.purpose ?? {};
    if (act !== form.dataset.act || object !== (form.dataset.object ?? '')) {
      go(`${error.url}&to=${encodeURIComponent(location.pathname + location.search)}`);
      return new Promise(() => {}); // the page is leaving
    }
    say(form, 'first');
    await touch(form);
    return run();
  }
}

/** Which passkeys may is said on the page of the act, with the time from which this one may too. */
async function touch(form, to = '') {
  try {
    return await give(form, to);
  } catch (error) {
    if (error.code !== 'key_too_new' && error.code !== 'key_grade_low' || form.dataset.ceremony === 'step-up') throw error;
    go(`/stepup?act=${encodeURIComponent(form.dataset.act)}&object=${encodeURIComponent(form.dataset.object ?? '')}&to=${encodeURIComponent(location.pathname + location.search)}`);
    return new Promise(() => {}); // the page is leaving
  }
}

async function give(form, to) {
  const purpose = { act: form.dataset.act, object: form.dataset.object ?? '' };
  const begun = await post('/stepup/begin', purpose);
  const credential = await navigator.credentials.get({ publicKey: requestOptions(begun) });
  await ensureFresh();
  return post('/stepup/finish', { ...purpose, credential: credential.toJSON(), to }, { prove: true });
}

async function stepUp(form) {
  await ensureFresh();
  say(form, 'waiting');
  const { to } = await touch(form, new FormData(form).get('to') ?? '');
  say(form, 'checked');
  go(to);
}

/** A plain form with data-act: the page names the act, the touch is taken here, and then the form goes its own way. */
async function touchThenSend(form, submitter) {
  await ensureFresh();
  say(form, 'waiting');
  await touch(form);
  say(form, 'checked');
  await ensureFresh();
  if (submitter?.name) form.append(Object.assign(document.createElement('input'), { type: 'hidden', name: submitter.name, value: submitter.value }));
  form.submit(); // not requestSubmit: this handler is done with it
}

/** A recovery code, sent with a proof so that the session it opens is bound to this browser too. */
async function sendCode(form) {
  await get('/session/state'); // brings the nonce the proof needs
  const { to } = await post(form.getAttribute('action'), new URLSearchParams(new FormData(form)), { prove: true });
  say(form, 'checked');
  go(to);
}

// ---- forms

/** The touch after a session came without its device's key: a new session takes its place. */
async function touchAnew(form) {
  const begun = await post('/signin/begin', {});
  say(form, 'waiting');
  const credential = await navigator.credentials.get({ publicKey: requestOptions(begun) });
  say(form, 'checked');
  const { to } = await post('/session/touch', { credential: credential.toJSON(), to: new FormData(form).get('to') ?? '' }, { prove: true });
  go(to);
}

/** A withdrawal: the device signs a hash of every field on the page. This browser's own key has to have spoken just before. */
async function confirmMoney(form) {
  const path = form.getAttribute('action');
  await refresh({ again: true });
  const begun = await post(`${path}/begin`, {});
  say(form, 'waiting');
  const credential = await navigator.credentials.get({ publicKey: requestOptions(begun) });
  say(form, 'checked');
  await refresh({ again: true });
  const { to } = await post(`${path}/finish`, { credential: credential.toJSON() });
  go(to);
}

const ceremonies = { 'sign-in': signIn, 'sign-up': signUp, add: addPasskey, 'step-up': stepUp, lapsed: touchAnew, join: joinKey, confirm: confirmMoney };

async function busy(form, run) {
  if (form.ariaBusy === 'true') return;
  form.ariaBusy = 'true';
  try {
    await run();
  } catch (error) {
    if (error instanceof Problem && error.status === 401 && form.matches('[data-fresh]')) stay(form, error);
    else sayError(form, error);
    // The demo's other way: its software passkey answers on the page of the act.
    const own = form.querySelector('[data-own]');
    if (own && form.dataset.act) {
      own.href = `/stepup?act=${encodeURIComponent(form.dataset.act)}&object=${encodeURIComponent(form.dataset.object ?? '')}&to=${encodeURIComponent(location.pathname + location.search)}`;
    }
  } finally {
    form.ariaBusy = 'false';
  }
}

document.addEventListener('submit', (event) => {
  const form = event.target;
  const ceremony = ceremonies[form.dataset.ceremony];
  const act = form.matches('[data-fresh][data-act]');
  const proof = form.matches('[data-proof]');
  const code = form.matches('[data-code]');
  if (!ceremony && !act && !proof && !code) return;
  event.preventDefault();
  const hint = event.submitter?.name === 'hint' ? event.submitter.value : undefined;
  busy(form, async () => {
    if (proof) return sendCode(form);
    if (code) return showCode(form);
    if (!able) return say(form, 'unsupported');
    return ceremony ? ceremony(form, hint) : touchThenSend(form, event.submitter);
  });
});

const door = document.querySelector('[data-ceremony="sign-in"]');
if (door) {
  offerAutofill(door);
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && waiting && Date.now() - waiting.since > CHALLENGE_AGE) restart(door);
  });
}
