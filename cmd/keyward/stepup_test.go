package main

import (
	"slices"
	"testing"

	"keyward/internal/apikey"
	"keyward/internal/config"
	"keyward/internal/device"
	"keyward/internal/oauth"
)

// The names that a configuration may use for step-up are those of the packages that read
// them: one that was added there could otherwise not be raised, one that went would raise
// nothing and nobody would hear of it.
func TestStepUpNamesAreThoseOfTheProgram(t *testing.T) {
	if !slices.Equal(config.StepUpActs, device.Raisable()) {
		t.Errorf("acts: the configuration knows %q, the program %q", config.StepUpActs, device.Raisable())
	}
	of := map[string]bool{}
	for name, most := range oauth.Ages() {
		of[name] = true
		if have, known := config.StepUpScopes[name]; !known || have != most {
			t.Errorf("scope %s: %v in the configuration, %v in the program", name, have, most)
		}
	}
	for _, name := range apikey.Scopes(1<<31 - 1).Names() {
		of[name] = true
		if have, known := config.StepUpScopes[name]; !known || have >= 0 {
			t.Errorf("right %s is not one in the configuration", name)
		}
	}
	for name := range config.StepUpScopes {
		if !of[name] {
			t.Errorf("%s is a name that nothing has", name)
		}
	}
}
