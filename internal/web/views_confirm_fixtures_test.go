package web

import "time"

func confirmOf(c, state string, change func(*Confirm)) View {
	v := &Confirm{Base: in(c, "/confirm/int_01jp5b0a3v8qk2m9x7c4d6e1f8"), ID: "int_01jp5b0a3v8qk2m9x7c4d6e1f8", State: state, AskedBy: "treasury",
		Payment: Payment{Amount: "0.25000000", Asset: "BTC", Network: "bitcoin", MaxFee: "0.00002", Address: "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"},
		From:    chrome, FromKnown: true, FromAddr: "203.0.113.7", FromPlace: "Seoul, South Korea", FromSince: at(12, 14, 2),
		FirstAt: at(3, 10, 0), Uses: 4, Until: at(12, 14, 9), Left: 101, All: 120}
	if change != nil {
		change(v)
	}
	return v
}

var confirmFixtures = []fixture{
	{"confirm", func(c string) View { return confirmOf(c, "pending", nil) }},
	{"confirm-first", func(c string) View {
		return confirmOf(c, "pending", func(v *Confirm) {
			v.First, v.Uses, v.FirstAt, v.HoldUntil, v.Payment, v.NeedsScript = true, 0, at(12, 14, 7), at(13, 14, 7), longPayment, true
		})
	}},
	{"confirm-needs", func(c string) View {
		return confirmOf(c, "pending", func(v *Confirm) {
			v.FromHere, v.First, v.Uses, v.HoldUntil, v.Wait = true, true, 0, at(13, 14, 7), at(13, 14, 7)
			v.Needs = []string{"use_second_device", "wait", "add_hardware_key"}
		})
	}},
	{"confirm-needs-other", func(c string) View {
		return confirmOf(c, "pending", func(v *Confirm) {
			v.FromKnown, v.FromAddr, v.Payment.MaxFee = false, "", ""
			v.Needs = []string{"use_hardware_key", "ask_from_known_device", "add_second_device"}
		})
	}},
	{"confirm-weak", func(c string) View { return confirmOf(c, "pending", func(v *Confirm) { v.Weak = true }) }},
	{"confirm-new", func(c string) View { return confirmOf(c, "pending", func(v *Confirm) { v.TooNew = at(13, 9, 41) }) }},
	{"confirm-held", func(c string) View {
		return confirmOf(c, "pending", func(v *Confirm) { v.Stopped, v.StoppedTill = true, at(13, 9, 0) })
	}},
	{"confirm-frozen", func(c string) View {
		return confirmOf(c, "pending", func(v *Confirm) { v.Stopped, v.StoppedTill = true, time.Time{} })
	}},
	{"confirm-approved", func(c string) View { return confirmOf(c, "approved", nil) }},
	{"confirm-refused", func(c string) View { return confirmOf(c, "refused", nil) }},
	{"confirm-expired", func(c string) View { return confirmOf(c, "expired", nil) }},
	{"confirm-void", func(c string) View {
		return &Confirm{Base: in(c, "/confirm/int_01jp5b0a3v8qk2m9x7c4d6e1f8"), ID: "int_01jp5b0a3v8qk2m9x7c4d6e1f8", State: "void"}
	}},
}
