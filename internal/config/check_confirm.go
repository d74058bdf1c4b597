package config

import (
	"fmt"
	"math/big"
	"regexp"
	"time"
)

var (
	assetName   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,20}$`)
	plainAmount = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)
)

// confirm: what loosens is said in full, for one asset each. An amount without an asset would be worth anything.
func (k *checker) confirm(c Confirm) {
	k.between("confirm.address_hold", c.AddressHold, 24*time.Hour, 30*24*time.Hour, "a day is what an owner has to notice an address that is not theirs; nobody waits a month")
	seen := map[string]bool{}
	for i, l := range c.Limits {
		at := fmt.Sprintf("confirm.limits[%d].", i)
		if !assetName.MatchString(l.Asset) || seen[l.Asset] {
			k.fault(at+"asset", fmt.Sprintf("%q is not the ticker of one asset, or is there twice", l.Asset), "it is compared letter by letter", "asset: BTC")
		}
		seen[l.Asset] = true
		for _, a := range [...]struct{ key, v string }{{"small", l.Small}, {"second_device_above", l.SecondDeviceAbove}} {
			if a.v != "" && (len(a.v) > 40 || !plainAmount.MatchString(a.v)) {
				k.fault(at+a.key, fmt.Sprintf("%q is not a decimal number", a.v), "", at+a.key+": \"0.01\", in quotes")
			}
		}
		small, ok1 := new(big.Rat).SetString(l.Small)
		above, ok2 := new(big.Rat).SetString(l.SecondDeviceAbove)
		if ok1 && ok2 && small.Cmp(above) > 0 {
			k.fault(at+"small", l.Small+" is more than second_device_above", "one amount cannot be both small and large", "make it smaller")
		}
	}
}
