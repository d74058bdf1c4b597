// The only way by which a page of ours leaves the site: to the very address that was asked for and is written on the page.

/** asked: the address as the page shows it. answer: the same with what the server adds to its query. */
export function leave(asked, answer) {
  const there = new URL(answer);
  const written = new URL(asked);
  if (there.protocol === 'javascript:' || there.protocol === 'data:' || there.protocol !== written.protocol || there.host !== written.host || there.pathname !== written.pathname) {
    throw new TypeError('another address than the one that was asked for');
  }
  location.replace(there.href); // "back" must not lead to a page that goes on by itself
}
