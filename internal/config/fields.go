package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// leaf is one settable key of Config.
type leaf struct {
	path   string // mail.password_file
	secret string // "", "all", "url", "hash": how much Print may show
	value  reflect.Value
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
)

// leaves lists every key of v (addressable, a struct) in declared order. Lists
// of structs appear once per element, with their index.
func leaves(v reflect.Value, prefix string) []leaf {
	var all []leaf
	for i := range v.NumField() {
		f := v.Type().Field(i)
		path := prefix + key(f)
		fv := v.Field(i)
		switch {
		case f.Type.Kind() == reflect.Struct:
			all = append(all, leaves(fv, path+".")...)
		case isStructList(f.Type):
			for n := range fv.Len() {
				all = append(all, leaves(fv.Index(n), fmt.Sprintf("%s[%d].", path, n))...)
			}
		default:
			all = append(all, leaf{path, f.Tag.Get("secret"), fv})
		}
	}
	return all
}

func key(f reflect.StructField) string { return f.Tag.Get("yaml") }

func isStructList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && t.Elem() != prefixType
}

// setText puts one scalar of the file or the environment into a field. The
// error says what is accepted, with an example.
func setText(v reflect.Value, s string) error {
	switch {
	case v.Type() == durationType:
		d, err := parseDuration(s)
		if err != nil {
			return err
		}
		v.SetInt(int64(d))
	case v.Type() == prefixType:
		p, err := parsePrefix(s)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(p))
	case v.Kind() == reflect.String:
		if strings.ContainsAny(s, "\x00\n\r") {
			return fmt.Errorf("is one line of text")
		}
		v.SetString(s)
	case v.Kind() == reflect.Bool:
		if s != "true" && s != "false" {
			return fmt.Errorf("is true or false, not %q", s)
		}
		v.SetBool(s == "true")
	case v.CanInt():
		n, err := strconv.ParseInt(s, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("is a whole number such as 16, not %q", s)
		}
		v.SetInt(n)
	case v.CanFloat():
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("is a number such as 1.5, not %q", s)
		}
		v.SetFloat(n)
	default:
		panic("config: no way to set a " + v.Type().String())
	}
	return nil
}

// parseDuration is Go's, with days, and never a bare number: "300" could be
// seconds, minutes or a mistake.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || s == "0" {
		return 0, fmt.Errorf("is a duration with its unit such as 90s, 5m, 24h or 30d, not %q", s)
	}
	return d, nil
}

// parsePrefix takes 10.0.0.0/8 and, as a courtesy, a single address.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("is an address or a block such as 10.0.0.0/8, not %q", s)
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("is written as IPv4 (10.0.0.0/8), not %q", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("has bits set to the right of its length: %q; write %q if you mean the block", s, p.Masked())
	}
	return p, nil
}

// text is setText backwards, for Print.
func text(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return durationText(time.Duration(v.Int()))
	case v.Kind() == reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = text(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case v.Kind() == reflect.String:
		return strconv.Quote(v.String())
	}
	return fmt.Sprint(v.Interface())
}

func durationText(d time.Duration) string {
	switch {
	case d > 0 && d%(24*time.Hour) == 0:
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	case d > 0 && d%time.Hour == 0:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	case d > 0 && d%time.Minute == 0:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	}
	return d.String()
}
