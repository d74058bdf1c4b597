#!/usr/bin/env node
// A bot that signs its requests with the native profile keyward-v1. One file, to be copied: Node 24 runs it as it is,
// without packages and without a compiler; for an older one take the types out with tsc.

import { createHash, createHmac, createPrivateKey, randomBytes, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { pathToFileURL } from 'node:url';

const usage = `usage: keyward.mts time | whoami | balance [ASSET] | order SYMBOL buy|sell QUANTITY PRICE | cancel ORDER_ID

  KEYWARD_API               base URL, such as https://api.example.com
  KEYWARD_KEY_ID            the key's id, kwk_live_...
  KEYWARD_PRIVATE_KEY_FILE  Ed25519 private key, PEM PKCS#8, or
  KEYWARD_SECRET            the secret of an HMAC key, kws_live_...
  KEYWARD_AUTHORITY         public name of the API, if not the host of the base URL
`;

export interface Answer {
  status: number;
  body: Buffer;
}

interface Key {
  alg: 'ed25519' | 'hmac-sha256';
  sign(text: string): Buffer;
}

type Environment = Record<string, string | undefined>;
type Headers = Record<string, string>;

export class Bot {
  private readonly base: URL;
  private readonly prefix: string; // of paths, without a slash at the end
  private readonly authority: string;
  private readonly keyId: string;
  private readonly key: Key | undefined;

  constructor(env: Environment) {
    this.base = readURL(env.KEYWARD_API ?? '');
    this.prefix = this.base.pathname.replace(/\/+$/, '');
    // RFC 9421 §2.2.3: in lower case, without the port that the scheme has anyway. URL does both.
    this.authority = env.KEYWARD_AUTHORITY || this.base.host;
    this.keyId = env.KEYWARD_KEY_ID ?? '';
    this.key = readKey(env.KEYWARD_PRIVATE_KEY_FILE, env.KEYWARD_SECRET);
  }

  /** Works without a key, and with a wrong clock. */
  time(): Promise<Answer> {
    return this.send('GET', '/v1/time', '', '', false);
  }

  whoami(): Promise<Answer> {
    return this.send('GET', '/v1/whoami');
  }

  balance(asset?: string): Promise<Answer> {
    return this.send('GET', '/v1/balance', asset === undefined ? '' : `asset=${encodeURIComponent(asset)}`);
  }

  /** Amounts are texts. As numbers they would be rounded on the way. */
  placeOrder(symbol: string, side: string, quantity: string, price: string): Promise<Answer> {
    return this.send('POST', '/v1/orders', '', JSON.stringify({ symbol, side, quantity, price }));
  }

  cancel(orderId: string): Promise<Answer> {
    return this.send('DELETE', `/v1/orders/${encodeURIComponent(orderId)}`);
  }

  /**
   * Not fetch: it would rewrite the path that was signed, and follow a redirect with a signature that is for one
   * place.
   */
  private send(method: string, path: string, query = '', body = '', signed = true): Promise<Answer> {
    path = this.prefix + path;
    const headers: Headers = {};
    if (body) {
      headers['Content-Type'] = 'application/json';
      headers['Content-Length'] = String(Buffer.byteLength(body));
    }
    if (signed) Object.assign(headers, this.signature(method, path, query, body, headers['Content-Type'] ?? ''));
    const { request } = this.base.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
      const out = request(this.base, { method, path: path + (query && `?${query}`), headers, timeout: 10_000 }, (res) => {
        const parts: Buffer[] = [];
        res.on('data', (part: Buffer) => parts.push(part));
        res.on('end', () => resolve({ status: res.statusCode ?? 0, body: Buffer.concat(parts) }));
        res.on('error', reject);
      });
      out.on('timeout', () => out.destroy(new Error('no answer in time')));
      out.on('error', reject);
      out.end(body);
    });
  }

  /** keyward-v1: RFC 9421 with one label, one list of components and one order of parameters. */
  private signature(method: string, path: string, query: string, body: string, contentType: string): Headers {
    const { key } = this;
    if (!key || !this.keyId) {
      throw new Error('KEYWARD_KEY_ID and one of KEYWARD_PRIVATE_KEY_FILE and KEYWARD_SECRET are needed');
    }
    const lines: [string, string][] = [['@method', method], ['@authority', this.authority], ['@path', path], ['@query', `?${query}`]];
    const headers: Headers = {};
    if (body) {
      const digest = `sha-256=:${createHash('sha256').update(body).digest('base64')}:`; // RFC 9530
      headers['Content-Digest'] = digest;
      lines.push(['content-type', contentType], ['content-digest', digest]);
    }
    const created = Math.floor(Date.now() / 1000);
    const nonce = randomBytes(16).toString('base64url');
    const names = lines.map(([name]) => `"${name}"`).join(' ');
    const params = `(${names});created=${created};expires=${created + 5};nonce="${nonce}";alg="${key.alg}";keyid="${this.keyId}";tag="keyward-v1"`;
    const text = lines.map(([name, value]) => `"${name}": ${value}\n`).join('') + `"@signature-params": ${params}`;
    headers['Signature-Input'] = `sig1=${params}`;
    headers['Signature'] = `sig1=:${key.sign(text).toString('base64')}:`;
    return headers;
  }
}

function readURL(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new Error('KEYWARD_API is not a base URL');
  }
}

function readKey(file?: string, secret?: string): Key | undefined {
  if (file && secret) throw new Error('KEYWARD_PRIVATE_KEY_FILE and KEYWARD_SECRET are both set');
  if (file) {
    const key = createPrivateKey(readFileSync(file));
    if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${file} is not an Ed25519 private key`);
    return { alg: 'ed25519', sign: (text) => sign(null, Buffer.from(text), key) };
  }
  // The text itself is the key.
  if (secret) return { alg: 'hmac-sha256', sign: (text) => createHmac('sha256', secret).update(text).digest() };
  return undefined;
}

function run(bot: Bot, [command, ...args]: string[]): Promise<Answer> | undefined {
  const [first = '', second = '', third = '', fourth = ''] = args;
  if (args.some((arg) => arg === '')) return undefined;
  switch (`${command} ${args.length}`) {
    case 'time 0': return bot.time();
    case 'whoami 0': return bot.whoami();
    case 'balance 0': return bot.balance();
    case 'balance 1': return bot.balance(first);
    case 'order 4': return bot.placeOrder(first, second, third, fourth);
    case 'cancel 1': return bot.cancel(first);
  }
  return undefined;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const answer = await run(new Bot(process.env), process.argv.slice(2));
    if (!answer) {
      process.stderr.write(usage);
      process.exitCode = 2;
    } else {
      process.stdout.write(answer.body);
      if (answer.status < 200 || answer.status > 299) {
        process.stderr.write(`keyward: status ${answer.status}\n`);
        process.exitCode = 1;
      }
    }
  } catch (e) {
    process.stderr.write(`keyward: ${e instanceof Error ? e.message : e}\n`);
    process.exitCode = 1;
  }
}
