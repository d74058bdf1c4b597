// One way to talk to our own endpoints, shared by all modules: JSON out, JSON or an RFC 9457 problem back.
// Nothing here writes markup: words are cloned from templates that the server wrote in the reader's language.

import { proof } from './bind.js';

/** A refusal by the server. Its text is constant and safe to show. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.code ?? String(status));
    this.status = status;
    this.code = body.code ?? '';
    this.title = body.title ?? '';
    this.detail = body.detail ?? '';
    this.errors = (body.errors ?? []).map((e) => `${e.pointer ?? ''} ${e.detail}`).join('; '); // which part, in words for who wrote it
    this.request = body.request_id ?? '';
    this.purpose = body.purpose;
    this.url = body.url;
  }
}

let nonce; // the newest DPoP-Nonce (RFC 9449 §8.2); each answer may bring another

/**
 * POST to our own origin. body: an object (sent as JSON), URLSearchParams (sent as a form) or null.
 * prove adds a DPoP header made by this browser's key. A redirect is an error: endpoints answer {to}, and we check it.
 */
export async function post(path, body, { prove = false } = {}) {
  for (let first = true; ; first = false) {
    const headers = { Accept: 'application/json' };
    if (body && !(body instanceof URLSearchParams)) headers['Content-Type'] = 'application/json';
    if (prove) {
      const made = await proof('POST', path, nonce);
      if (made) headers.DPoP = made;
    }
    const response = await fetch(path, {
      method: 'POST', headers, cache: 'no-store', redirect: 'error', credentials: 'same-origin',
      body: body instanceof URLSearchParams ? body : body && JSON.stringify(body),
    });
    const answer = await read(response);
    if (response.ok) return answer;
    // A stale nonce is no refusal: the answer brought a fresh one. Once only, or a broken server would have us turn for ever.
    if (prove && first && answer.code === 'use_dpop_nonce') continue;
    throw new Problem(response.status, answer);
  }
}

/** GET JSON from our own origin. */
export async function get(path) {
  const response = await fetch(path, { headers: { Accept: 'application/json' }, cache: 'no-store', redirect: 'error', credentials: 'same-origin' });
  const answer = await read(response);
  if (response.ok) return answer;
  throw new Problem(response.status, answer);
}

async function read(response) {
  nonce = response.headers.get('DPoP-Nonce') ?? nonce;
  if (!/json/.test(response.headers.get('Content-Type') ?? '')) return {};
  return response.json().catch(() => ({}));
}

/**
 * A path on this site, else "/". "//evil.example" and "/\evil.example" are addresses of another host to a browser,
 * so the parsed origin decides, not the first character.
 */
export function localPath(to) {
  try {
    const url = new URL(String(to), location.origin);
    if (String(to).startsWith('/') && url.origin === location.origin && !url.pathname.startsWith('//')) return url.pathname + url.search + url.hash;
  } catch { /* not an address at all */ }
  return '/';
}

/**
 * Leave this page for good: "back" must not lead into a finished ceremony. The parsed address goes to the browser, never a path
 * to be parsed again: "/.//evil.example" is a local path once and another host the second time.
 */
export function go(to) {
  const url = new URL(localPath(to), location.origin);
  location.replace(url.origin === location.origin && !url.pathname.startsWith('//') ? url.href : '/');
}

/** Put the named words of <template id="say"> into the status line near root. Slots take plain text. */
export function say(root, name, slots = {}) {
  const line = root.querySelector('[data-status]') ?? document.querySelector('[data-status]');
  const words = document.getElementById('say')?.content.querySelector(`[data-say="${name}"]`);
  if (!line || !words) return;
  const copy = words.cloneNode(true);
  for (const [slot, text] of Object.entries(slots)) {
    const at = copy.querySelector(`[data-slot="${slot}"]`);
    if (at) at.textContent = text;
  }
  line.replaceChildren(copy);
}

/** Say what went wrong, by kind. Being cancelled is no error, and a lost line is not the person's fault. */
export function sayError(root, error) {
  if (error instanceof Problem) {
    say(root, 'problem', { title: error.title, detail: error.detail, errors: error.errors, request: error.request });
  } else if (error.name === 'NotAllowedError' || error.name === 'AbortError') {
    say(root, 'cancelled'); // browsers hide which of "no passkey", "refused" and "timed out" it was
  } else if (error.name === 'InvalidStateError') {
    say(root, 'already'); // WebAuthn L3 §5.1.3: one of excludeCredentials is on that authenticator
  } else if (error.name === 'SecurityError' || error.name === 'NotSupportedError') {
    say(root, 'unsupported');
  } else {
    say(root, 'offline');
  }
}

/** Run one at a time over all tabs of this browser. */
export function alone(name, run) {
  return navigator.locks ? navigator.locks.request(name, run) : run();
}
