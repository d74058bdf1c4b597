// Four bots that are refused: one with the secret of another key, one whose clock is a minute slow, one whose key is for another
// address, and one whose key is for another market.

import { client, order, plan, say, thrown } from './exchange.mjs';

const wrong = client({ ...plan.good, secret: plan.foreign.secret });
const secret = await thrown(() => wrong.createOrder(...order));

// The clock was right once: where requests carry a nonce that grows and no time, only going back is wrong.
const slow = client();
await slow.fetchBalance();
slow.milliseconds = () => Date.now() - 60_000;
let id;
const clock = await thrown(async () => { ({ id } = await slow.createOrder(...order)); });
if (id !== undefined) await slow.cancelOrder(id, plan.symbol); // nothing in the request says when it was made

const elsewhere = client(plan.foreign);
const address = await thrown(() => elsewhere.createOrder(...order));

const limited = client(plan.limited);
const market = await thrown(() => limited.createOrder(...order));
say({ secret, clock, address, market });
