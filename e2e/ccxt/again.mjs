// The bytes of an order that went through, sent again: by hand, and by ccxt, which says what it makes of the answer.

import { client, order, plan, say, thrown } from './exchange.mjs';

const exchange = client();
await exchange.loadMarkets();
let sent;
const send = exchange.fetch.bind(exchange);
exchange.fetch = (url, method, headers, body) => {
  if (method === 'POST') sent = { url, method, headers, body };
  return send(url, method, headers, body);
};
const { id } = await exchange.createOrder(...order);
exchange.fetch = send;

const request = sent;
const answer = await fetch(request.url, request);
const status = answer.status;
const body = await answer.text();

exchange.sign = () => request;
const taken = await thrown(() => exchange.createOrder(...order));
delete exchange.sign;

const open = await exchange.fetchOpenOrders(plan.symbol);
await exchange.cancelOrder(id, plan.symbol);
say({ status, body, taken, open: open.map((o) => o.id), placed: id });
