package apikey

import (
	"testing"

	"keyward/internal/account"
)

// Every standing of two sub-accounts, every key and every destination there is: whatever is
// let through stays inside the account and is what both rules allow.
func TestNoTransferLeavesTheAccount(t *testing.T) {
	statuses := []account.SubStatus{account.SubActive, account.SubFrozen, account.SubEmptying}
	rules := []account.Transfers{account.TransferNone, account.TransferToMain, account.TransferBoth}
	let, all := 0, 0
	for _, s1 := range statuses {
		for _, s2 := range statuses {
			for _, r1 := range rules {
				for _, r2 := range rules {
					st := &standing{status: account.Active, subs: map[string]part{"sub_1": {status: s1, transfers: r1}, "sub_2": {status: s2, transfers: r2}}}
					for _, from := range []string{"", "sub_1", "sub_2", "sub_closed"} {
						for _, to := range []string{"", "main", "MAIN", "acc_me", "acc_other", "sub_1", "sub_2", "sub_closed", "sub_of_another", "sub_1 "} {
							all++
							var d Decision
							code := st.inside(&Key{Account: "acc_me", Sub: from, Scopes: TransferInternal}, Need{Scope: TransferInternal, To: to}, &d)
							if code != "" {
								continue
							}
							let++
							main := to == "main" || to == "acc_me"
							into, inside := st.subs[to]
							source, part := st.subs[from]
							switch {
							case !main && !inside:
								t.Fatalf("%q moves to %q", from, to)
							case from == to || from == "" && main:
								t.Fatalf("%q moves to itself", from)
							case from != "" && !part:
								t.Fatalf("a key of a closed sub-account moves to %q", to)
							case part && (source.transfers == account.TransferNone || source.status == account.SubFrozen):
								t.Fatalf("%+v moves to %q", source, to)
							case part && !main && (source.transfers != account.TransferBoth || source.status != account.SubActive):
								t.Fatalf("%+v moves to %q", source, to)
							case inside && (into.transfers != account.TransferBoth || into.status != account.SubActive):
								t.Fatalf("%q moves into %+v", from, into)
							}
						}
					}
				}
			}
		}
	}
	if let == 0 || let == all {
		t.Fatalf("%d of %d pass: nothing was tried", let, all)
	}
}

// Of a stopped sub-account nothing but looking and cancelling passes, whatever right a route asks for.
func TestAStoppedSubAccountOnlyExits(t *testing.T) {
	for _, status := range []account.SubStatus{account.SubFrozen, account.SubEmptying, account.SubClosed, "a status of a later version"} {
		st := &standing{status: account.Active, subs: map[string]part{"sub_1": {status: status, transfers: account.TransferBoth}}}
		if status == account.SubClosed {
			st.subs = nil
		}
		for bit := range len(scopeNames) {
			need := Need{Scope: 1 << bit, To: "main"}
			var d Decision
			code := st.inside(&Key{Account: "acc_me", Sub: "sub_1"}, need, &d)
			passes := status != account.SubClosed && (Exiting.Has(need.Scope) || status == account.SubEmptying && need.Scope == TransferInternal)
			if (code == "") != passes {
				t.Errorf("%s, %s: %q", status, need.Scope, code)
			}
			if code == "" && !d.ExitOnly {
				t.Errorf("%s, %s: the upstream is not told", status, need.Scope)
			}
		}
	}
}
