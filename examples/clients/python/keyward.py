#!/usr/bin/env python3
"""A bot that signs its requests with the native profile keyward-v1. One file, to be copied.

usage: keyward.py time | whoami | balance [ASSET] | order SYMBOL buy|sell QUANTITY PRICE | cancel ORDER_ID

  KEYWARD_API               base URL, such as https://api.example.com
  KEYWARD_KEY_ID            the key's id, kwk_live_...
  KEYWARD_PRIVATE_KEY_FILE  Ed25519 private key, PEM PKCS#8 (needs the package cryptography), or
  KEYWARD_SECRET            the secret of an HMAC key, kws_live_... (needs nothing)
  KEYWARD_AUTHORITY         public name of the API, if not the host of the base URL
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import sys
import time
from urllib.parse import quote, urlsplit


class Bot:
    def __init__(self, env=os.environ):
        base = urlsplit(env.get("KEYWARD_API", "").rstrip("/"))
        if base.scheme not in ("http", "https") or not base.hostname or base.query:
            raise SystemExit("keyward: KEYWARD_API is not a base URL")
        self.base = base
        # RFC 9421 2.2.3: in lower case, without the port that the scheme has anyway.
        usual = ":443" if base.scheme == "https" else ":80"
        self.authority = env.get("KEYWARD_AUTHORITY") or base.netloc.rpartition("@")[2].lower().removesuffix(usual)
        self.key_id = env.get("KEYWARD_KEY_ID", "")
        self.alg, self.sign = None, None
        file, secret = env.get("KEYWARD_PRIVATE_KEY_FILE"), env.get("KEYWARD_SECRET")
        if file and secret:
            raise SystemExit("keyward: KEYWARD_PRIVATE_KEY_FILE and KEYWARD_SECRET are both set")
        if file:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
            from cryptography.hazmat.primitives.serialization import load_pem_private_key

            with open(file, "rb") as f:
                key = load_pem_private_key(f.read(), password=None)
            if not isinstance(key, Ed25519PrivateKey):
                raise SystemExit(f"keyward: {file} is not an Ed25519 private key")
            self.alg, self.sign = "ed25519", key.sign
        elif secret:
            # The text itself is the key.
            self.alg = "hmac-sha256"
            self.sign = lambda text: hmac.new(secret.encode(), text, hashlib.sha256).digest()

    def server_time(self):
        """Works without a key, and with a wrong clock."""
        return self.send("GET", "/v1/time", signed=False)

    def whoami(self):
        return self.send("GET", "/v1/whoami")

    def balance(self, asset=None):
        return self.send("GET", "/v1/balance", "" if asset is None else "asset=" + quote(asset, safe=""))

    def place_order(self, symbol, side, quantity, price):
        """Amounts are texts. As numbers they would be rounded on the way."""
        order = {"symbol": symbol, "side": side, "quantity": quantity, "price": price}
        return self.send("POST", "/v1/orders", body=json.dumps(order).encode())

    def cancel(self, order_id):
        return self.send("DELETE", "/v1/orders/" + quote(order_id, safe=""))

    def send(self, method, path, query="", body=b"", signed=True):
        """Returns status and body. It follows no redirect: a signature is for one place."""
        path = self.base.path + path
        headers = {"Content-Type": "application/json"} if body else {}
        if signed:
            headers |= self.signature(method, path, query, body, headers.get("Content-Type"))
        connect = http.client.HTTPSConnection if self.base.scheme == "https" else http.client.HTTPConnection
        conn = connect(self.base.hostname, self.base.port, timeout=10)
        try:
            conn.request(method, path + ("?" + query if query else ""), body or None, headers)
            answer = conn.getresponse()
            return answer.status, answer.read()
        finally:
            conn.close()

    def signature(self, method, path, query, body, content_type):
        """keyward-v1: RFC 9421 with one label, one list of components and one order of parameters."""
        if not self.sign or not self.key_id:
            raise SystemExit("keyward: KEYWARD_KEY_ID and one of KEYWARD_PRIVATE_KEY_FILE and KEYWARD_SECRET are needed")
        lines = [("@method", method), ("@authority", self.authority), ("@path", path), ("@query", "?" + query)]
        headers = {}
        if body:
            digest = "sha-256=:" + base64.b64encode(hashlib.sha256(body).digest()).decode() + ":"  # RFC 9530
            headers["Content-Digest"] = digest
            lines += [("content-type", content_type), ("content-digest", digest)]
        created = int(time.time())
        nonce = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        names = " ".join(f'"{name}"' for name, _ in lines)
        params = f'({names});created={created};expires={created + 5};nonce="{nonce}";alg="{self.alg}";keyid="{self.key_id}";tag="keyward-v1"'
        text = "".join(f'"{name}": {value}\n' for name, value in lines) + f'"@signature-params": {params}'
        headers["Signature-Input"] = "sig1=" + params
        headers["Signature"] = "sig1=:" + base64.b64encode(self.sign(text.encode())).decode() + ":"
        return headers


def main(args):
    commands = {
        ("time", 0): Bot.server_time,
        ("whoami", 0): Bot.whoami,
        ("balance", 0): Bot.balance,
        ("balance", 1): Bot.balance,
        ("order", 4): Bot.place_order,
        ("cancel", 1): Bot.cancel,
    }
    command = commands.get((args[0], len(args) - 1)) if args and args[-1] else None
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        status, body = command(Bot(), *args[1:])
    except (ImportError, OSError, ValueError, http.client.HTTPException) as e:
        print("keyward:", e, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(body)
    if not 200 <= status < 300:
        print("keyward: status", status, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
