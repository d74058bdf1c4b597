// A bot of binance that logs in with session.logon over the socket of package ws: reads of its order, and how its stream ends.

import { createHmac } from 'node:crypto';
import WebSocket from 'ws';
import { client, order, plan, say } from './exchange.mjs';

const { key, secret } = plan.good;
const sign = (text) => createHmac('sha256', secret).update(text).digest('hex');
const socket = new WebSocket(`${plan.base.replace('http', 'ws')}/ws-api/v3`);
const messages = [];
let wake = () => {};
socket.on('message', (data) => { messages.push(JSON.parse(data)); wake(); });
const closed = new Promise((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
const next = async () => {
  while (messages.length === 0) await new Promise((resolve) => { wake = resolve; });
  return messages.shift();
};

await new Promise((resolve) => socket.on('open', resolve));
const timestamp = Date.now();
const params = { apiKey: key, recvWindow: 5000, timestamp };
const text = Object.keys(params).sort().map((name) => `${name}=${params[name]}`).join('&');
socket.send(JSON.stringify({ id: 'logon', method: 'session.logon', params: { ...params, signature: sign(text) } }));
const logon = await next();
socket.send(JSON.stringify({ id: 2, method: 'userDataStream.subscribe' }));
const subscribed = await next();
await client().createOrder(...order);
const { event } = await next();
const ended = await closed;
say({ logon: logon.status, as: logon.result?.apiKey === key, subscribed: subscribed.status, seen: { id: String(event.i), status: event.X }, ended, extensions: socket.extensions });
process.exit(0);
