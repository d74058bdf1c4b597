package apikey

import (
	"encoding/hex"
	"strings"
	"time"
	"unicode"

	"keyward/internal/store"
)

func scanKey(r interface{ Scan(...any) error }) (Key, error) {
	var k Key
	var scopes, symbols, allow, deny string
	var starts, expires, window, made, used, ended, browser, clock int64
	err := r.Scan((*string)(&k.ID), (*string)(&k.Account), &k.Sub, &k.Purpose, (*string)(&k.Profile), (*string)(&k.Alg), &scopes, &symbols, &allow, &deny,
		&starts, &expires, &window, &k.PerMin, &k.Partner, &made, &k.Made.Addr, &k.Made.Agent, (*string)(&k.Made.Device), (*string)(&k.Status), &k.Locked,
		&k.Version, &used, &k.UsedAddr, &ended, &k.EndedWhy, &browser, (*string)(&k.lockedBy), &clock)
	if err != nil {
		return Key{}, err
	}
	var ok bool
	if k.Scopes, ok = ParseScopes(scopes); !ok {
		return Key{}, ErrScopes // a right that this version does not know: never guess what it lets in
	}
	k.Symbols = strings.Fields(symbols)
	if k.Allow, err = ParsePlaces(allow); err != nil {
		return Key{}, err
	}
	if k.Deny, err = ParsePlaces(deny); err != nil {
		return Key{}, err
	}
	k.Starts, k.Expires, k.Window, k.Made.At = store.Time(starts), store.Time(expires), time.Duration(window)*time.Millisecond, store.Time(made)
	k.UsedAt, k.EndedAt, k.browserAt, k.clockAt = orZero(used), orZero(ended), orZero(browser), orZero(clock)
	return k, nil
}

func orZero(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return store.Time(micros)
}

// isSymbol: as exchanges write markets, "BTC-USD", "KRW-BTC", "BTCUSDT".
func isSymbol(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for _, c := range []byte(s) {
		if value62(c) < 0 && c != '-' && c != '_' && c != '/' && c != '.' && c != ':' {
			return false
		}
	}
	return true
}

func plain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// weakKeys are the points of small order of edwards25519 in their canonical spellings.
var weakKeys = func() (out [][]byte) {
	for _, h := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		b, _ := hex.DecodeString(h)
		out = append(out, b)
	}
	return out
}()
