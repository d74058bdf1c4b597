// A bot that trades all the time while its key is replaced. It is told what to do line by line, and answers each line with one.

import { createInterface } from 'node:readline';
import { client, order, plan, say, thrown } from './exchange.mjs';

let offset = 0; // of the clock, which its people move
let last = 0;
let exchange;
let using = '';

function use(credentials, name) {
  exchange = client(credentials);
  exchange.milliseconds = () => Date.now() + offset;
  // Without its own pace two calls could fall into one millisecond, and have one nonce.
  if (plan.exchange === 'kraken') exchange.nonce = () => (last = Math.max(last + 1, Date.now() + offset));
  exchange.enableRateLimit = false;
  using = name;
}

let running = null;
let stopped = true;
let calls = {};
let failures = [];

/** One order after the other, placed and taken out again, until it is told to stop. */
async function trade() {
  while (!stopped) {
    const now = exchange; // it may be given another one between two calls, as a process that restarts
    const name = using;
    try {
      const { id } = await now.createOrder(...order);
      await now.cancelOrder(id, plan.symbol);
      calls[name] = (calls[name] ?? 0) + 2;
    } catch (error) {
      failures.push(`${name}: ${error.constructor.name}: ${error.message}`);
    }
  }
}

const does = {
  use: ({ name, credentials }) => { use(credentials, name); return {}; },
  clock: ({ ms }) => { offset = ms; return {}; },
  start: () => { stopped = false; calls = {}; failures = []; running = trade(); return {}; },
  so_far: () => ({ calls, failures }),
  stop: async () => { stopped = true; await running; return { calls, failures }; },
  place: async () => { let id = ''; const refused = await thrown(async () => { ({ id } = await exchange.createOrder(...order)); }); return { id, refused }; },
  cancel: async ({ id }) => ({ refused: await thrown(() => exchange.cancelOrder(id, plan.symbol)) }),
  list: async () => { let open = []; const refused = await thrown(async () => { open = await exchange.fetchOpenOrders(plan.symbol); }); return { open: open.map(({ id }) => id), refused }; },
};

use(plan.good, 'old');
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  say(await does[told.do](told));
}
stopped = true; // nobody is there to tell it anything
