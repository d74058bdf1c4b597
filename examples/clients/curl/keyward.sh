#!/usr/bin/env bash
# A bot that signs its requests with the native profile keyward-v1. One file, to be
# copied; it needs bash, curl and OpenSSL 3.
usage='usage: keyward.sh time | whoami | balance [ASSET] | order SYMBOL buy|sell QUANTITY PRICE | cancel ORDER_ID

  KEYWARD_API               base URL, such as https://api.example.com
  KEYWARD_KEY_ID            the key'\''s id, kwk_live_...
  KEYWARD_PRIVATE_KEY_FILE  Ed25519 private key, PEM PKCS#8, or
  KEYWARD_SECRET            the secret of an HMAC key, kws_live_...
  KEYWARD_AUTHORITY         public name of the API, if not the host of the base URL'
set -euo pipefail
shopt -s inherit_errexit # a signature that fails in $(…) must end it all
export LC_ALL=C # characters are bytes

fail() { echo "keyward: $*" >&2; exit 1; }

secret=${KEYWARD_SECRET:-}
unset KEYWARD_SECRET # curl and openssl need not have it
key_file=${KEYWARD_PRIVATE_KEY_FILE:-}
key_id=${KEYWARD_KEY_ID:-}
api=${KEYWARD_API:-}
api=${api%/}
[[ $api =~ ^(https?)://([^/?#@]+)(/[^?#]*)?$ ]] || fail 'KEYWARD_API is not a base URL'
scheme=${BASH_REMATCH[1]} host=${BASH_REMATCH[2],,} prefix=${BASH_REMATCH[3]:-}
# RFC 9421 §2.2.3: in lower case, without the port that the scheme has anyway.
if [ "$scheme" = https ]; then host=${host%:443}; else host=${host%:80}; fi
authority=${KEYWARD_AUTHORITY:-$host}
[ -z "$key_file" ] || [ -z "$secret" ] || fail 'KEYWARD_PRIVATE_KEY_FILE and KEYWARD_SECRET are both set'

# encode prints a text as it may stand in a path or query.
encode() {
  local i c
  for ((i = 0; i < ${#1}; i++)); do
    c=${1:i:1}
    case $c in
      [a-zA-Z0-9._~-]) printf %s "$c" ;;
      *) printf '%%%02X' "$(($(printf '%d' "'$c") & 255))" ;;
    esac
  done
}

sha256() { openssl dgst -sha256 -binary; }

# padded prints the secret, filled up to a block with zeros, each byte XOR $1.
padded() {
  local i c
  for ((i = 0; i < 64; i++)); do
    c=0
    [ "$i" -ge ${#secret} ] || printf -v c '%d' "'${secret:i:1}"
    printf -v c '\\x%02x' "$(((c & 255) ^ $1))"
    printf "$c"
  done
}

# hmac is RFC 2104 by hand. `openssl dgst -hmac` takes the secret as an argument,
# and the arguments of a process can be read by everybody on the machine.
hmac() {
  [ ${#secret} -le 64 ] || fail 'KEYWARD_SECRET is longer than 64 bytes'
  { padded 0x5c; { padded 0x36; printf %s "$1"; } | sha256; } | sha256
}

ed25519() {
  local text rc=0
  text=$(mktemp) # openssl wants to know the length first
  printf %s "$1" >"$text"
  openssl pkeyutl -sign -rawin -inkey "$key_file" -in "$text" || rc=$?
  rm -f "$text"
  return $rc
}

# signature METHOD PATH QUERY BODY prints the headers of keyward-v1: RFC 9421 with
# one label, one list of components and one order of parameters.
signature() {
  local alg names text digest params created nonce sig
  if [ -n "$key_file" ]; then alg=ed25519; elif [ -n "$secret" ]; then alg=hmac-sha256; fi
  [ -n "${alg:-}" ] && [ -n "$key_id" ] || fail 'KEYWARD_KEY_ID and one of KEYWARD_PRIVATE_KEY_FILE and KEYWARD_SECRET are needed'
  names='"@method" "@authority" "@path" "@query"'
  text="\"@method\": $1
\"@authority\": $authority
\"@path\": $2
\"@query\": ?$3
"
  if [ -n "$4" ]; then
    digest="sha-256=:$(printf %s "$4" | sha256 | openssl base64 -A):" # RFC 9530
    names+=' "content-type" "content-digest"'
    text+="\"content-type\": application/json
\"content-digest\": $digest
"
    echo "Content-Digest: $digest"
  fi
  created=$(date +%s)
  nonce=$(openssl rand 16 | openssl base64 -A | tr +/ -_ | tr -d =)
  params="($names);created=$created;expires=$((created + 5));nonce=\"$nonce\";alg=\"$alg\";keyid=\"$key_id\";tag=\"keyward-v1\""
  text+="\"@signature-params\": $params"
  if [ $alg = ed25519 ]; then sig=$(ed25519 "$text" | openssl base64 -A); else sig=$(hmac "$text" | openssl base64 -A); fi
  echo "Signature-Input: sig1=$params"
  echo "Signature: sig1=:$sig:"
}

# send METHOD PATH QUERY BODY [unsigned] prints what the API answers. It follows no
# redirect (--disable: no matter what ~/.curlrc says): a signature is for one place.
send() {
  local headers='' answer
  local args=(--disable --silent --show-error --max-time 10 --globoff --path-as-is --request "$1" --write-out '\n%{http_code}')
  if [ "${5:-}" != unsigned ]; then headers=$(signature "$1" "$prefix$2" "$3" "$4"); fi
  if [ -n "$4" ]; then
    headers+=$'\nContent-Type: application/json'
    args+=(--data-raw "$4")
  fi
  # The dot is so that $(…) cuts nothing off the end.
  answer=$(curl "${args[@]}" --header @- "$api$2${3:+?$3}" <<<"$headers" && echo .) || exit 1
  answer=${answer%.}
  printf %s "${answer%$'\n'*}"
  [[ ${answer##*$'\n'} == 2?? ]] || fail "status ${answer##*$'\n'}"
}

# place_order SYMBOL SIDE QUANTITY PRICE. Amounts are texts: as numbers they would
# be rounded on the way.
place_order() {
  local part
  for part in "$@"; do
    [[ $part =~ ^[A-Za-z0-9._:/-]+$ ]] || fail "not in an order: $part" # nothing that JSON would have to escape
  done
  send POST /v1/orders '' "{\"symbol\":\"$1\",\"side\":\"$2\",\"quantity\":\"$3\",\"price\":\"$4\"}"
}

case "${1:-} $#" in
  'time 1') send GET /v1/time '' '' unsigned ;; # works without a key, and with a wrong clock
  'whoami 1') send GET /v1/whoami '' '' ;;
  'balance 1') send GET /v1/balance '' '' ;;
  'balance 2') send GET /v1/balance "asset=$(encode "$2")" '' ;;
  'order 5') place_order "${@:2}" ;;
  'cancel 2') [ -n "$2" ] || { echo "$usage" >&2; exit 2; }; send DELETE "/v1/orders/$(encode "$2")" '' '' ;;
  *) echo "$usage" >&2; exit 2 ;;
esac
