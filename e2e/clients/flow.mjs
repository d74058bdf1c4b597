// What every client script needs: its plan, a door on this machine to come back to, and a way to say what held. The test in Go reads
// one line of JSON per thing said, and is the person who goes where a script sends them.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { importJWK } from 'jose';

/** The server, this script's clients there, and what that server does not have, by sentence. */
export const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Says that something holds. What came of it is for the next step, so a failure ends the script. */
export async function holds(sentence, check) {
  try {
    const result = await check();
    say({ holds: sentence });
    return result;
  } catch (error) {
    say({ fails: sentence, why: reason(error) });
    process.exit(1);
  }
}

/** Says that a server refuses something, with one of the RFCs' codes. The rows after it go on. */
export async function refuses(sentence, codes, attempt) {
  if (plan.lacks?.[sentence]) {
    say({ lacks: sentence, why: plan.lacks[sentence] });
    return;
  }
  try {
    const got = await attempt();
    if (![codes].flat().includes(got)) throw new Error(`answered ${got}, not ${codes}`);
    say({ holds: sentence });
  } catch (error) {
    say({ fails: sentence, why: reason(error) });
    process.exitCode = 1;
  }
}

function reason(error) {
  const parts = [];
  for (let e = error; e; e = e.cause) parts.push(e instanceof Error ? e.stack : JSON.stringify(e));
  return parts.join('\ncaused by ');
}

let arrived = () => {};
const door = createServer((request, response) => {
  response.setHeader('Connection', 'close');
  response.setHeader('Content-Type', 'text/html');
  response.end('<!doctype html><link rel="icon" href="data:,"><title>App</title><p>You can go back to the app.');
  if (request.url.startsWith('/callback')) arrived(new URL(request.url, redirectURI));
});
await new Promise((ready) => door.listen(0, '127.0.0.1', ready));
door.unref();
door.on('connection', (socket) => socket.unref()); // a browser keeps spare ones open

export const redirectURI = `http://127.0.0.1:${door.address().port}/callback`;

/** Sends the person to the server and waits for the answer it brings back. */
export async function visit(url, agree = true) {
  door.ref();
  try {
    return await new Promise((resolve) => {
      arrived = resolve;
      say({ visit: String(url), agree });
    });
  } finally {
    door.unref();
  }
}

/** The private key a client was registered with. */
export const privateKey = async (jwk) => ({ key: await importJWK(jwk, 'ES256'), kid: jwk.kid });

export function expect(condition, what) {
  if (!condition) throw new Error(what);
}
