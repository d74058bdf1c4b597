// Renewing the session: five waking tabs make one refresh (DESIGN: web).
//
// The lock says who goes first; after it is held, /session/state says whether somebody has been there already. A loser never
// deletes a cookie, and never treats "superseded" as being signed out.

import { Problem, alone, get, go, localPath, post } from './wire.js';

const root = document.documentElement;
const EARLY = 30_000; // renew this long before the end, so that the act after it has time

// The server's clock when the page was written; the difference covers a wrong clock here.
const skew = root.dataset.now ? Date.now() - Date.parse(root.dataset.now) : 0;
let until = Date.parse(root.dataset.until ?? '') || 0;

const fresh = () => until - EARLY > Date.now() - skew;

function note(answer) {
  until = Date.parse(answer.access_until ?? '') || until;
  return answer;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Refresh unless another tab has. Rejects with a Problem when the session is over, with another error when we are offline. */
export function refresh({ again = false } = {}) {
  return alone('kw-renew', async () => {
    for (let turn = 1; ; turn++) {
      const state = note(await get('/session/state'));
      if (state.fresh && !again) return;
      try {
        note(await post('/session/renew', null, { prove: true }));
        return;
      } catch (error) {
        // 409: a newer token is already in the cookie jar, or will be in a moment.
        if (!(error instanceof Problem) || error.status !== 409 || turn === 4) throw error;
        await pause(120 * turn);
      }
    }
  });
}

/** Make sure the next request is let in. */
export async function ensureFresh() {
  if (root.dataset.until && !fresh()) await refresh();
}

// The page /session/renew itself.
const page = document.querySelector('[data-renew]');
if (page) {
  const to = localPath(page.dataset.to);
  const offline = page.querySelector('[data-offline]');
  const attempt = async () => {
    offline.hidden = true;
    try {
      await refresh();
      go(to);
    } catch (error) {
      if (error.code === 'bound_missing') {
        go(`/session/touch?to=${encodeURIComponent(to)}`); // the browser did not show its device's key
      } else if (error instanceof Problem && error.status < 500) {
        go(`/signin?note=ended&to=${encodeURIComponent(to)}`);
      } else {
        offline.hidden = false; // still signed in: only the way to the server is gone
      }
    }
  };
  page.querySelector('[data-again]').addEventListener('click', attempt);
  attempt();
}
