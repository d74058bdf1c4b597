package config

import "testing"

func TestRulesAboutKeysAreReadStrictly(t *testing.T) {
	r, err := ParseKeyRules([]byte("block:\n  - aaguid: 2fc0579f-8113-47ea-b116-bb5a8db9202a\n  - model: Old Key\nallow:\n  - format: phone-android\npatch_months: 12\n"))
	if err != nil || len(r.Block) != 2 || len(r.Allow) != 1 || r.PatchMonths != 12 {
		t.Fatalf("%+v %v", r, err)
	}
	if r, err := ParseKeyRules(nil); err != nil || len(r.Block)+len(r.Allow)+r.PatchMonths != 0 {
		t.Errorf("an empty file: %+v %v", r, err)
	}
	for name, text := range map[string]string{
		"a word that is misspelled":    "blocked: []\n",
		"a pattern of two members":     "block: [{model: a, format: b}]\n",
		"a pattern of none":            "allow: [{}]\n",
		"an AAGUID that is none":       "block: [{aaguid: abc}]\n",
		"the AAGUID that nobody has":   "block: [{aaguid: 00000000-0000-0000-0000-000000000000}]\n",
		"months that never end":        "patch_months: 1000\n",
		"two documents":                "patch_months: 1\n---\npatch_months: 2\n",
		"a list where months would be": "patch_months: [1]\n",
	} {
		if _, err := ParseKeyRules([]byte(text)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}
