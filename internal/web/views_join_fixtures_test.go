package web

import "time"

var (
	newcomerSide = Side{Agent: Agent{"Samsung Internet", "Android 16"}, Addr: "203.0.113.9", Place: "Seoul, South Korea"}
	farSide      = Side{Agent: firefox, Addr: "2001:db8:85a3:8d3:1319:8a2e:370:7348", Place: "Lyon, France"}
	ownSide      = Side{Agent: chrome, Addr: "203.0.113.7", Place: "Seoul, South Korea"}
)

func answerOf(c, state string, change func(*JoinAnswer)) View {
	v := &JoinAnswer{Base: in(c, "/joins/joi_01jp5b0a3v8qk2m9x7c4d6e1f7"), ID: "joi_01jp5b0a3v8qk2m9x7c4d6e1f7", State: state,
		New: newcomerSide, Own: ownSide, Network: "same", Until: at(12, 14, 15), Gets: 5 * time.Minute}
	if change != nil {
		change(v)
	}
	return v
}

var joinFixtures = []fixture{
	{"join", func(c string) View { return &Join{Base: out(c, "/new")} }},
	{"join-shown", func(c string) View {
		return &Join{Base: out(c, "/new"), State: "shown", Code: "7K2QD-XW4RT", Until: at(12, 14, 17)}
	}},
	{"join-claimed", func(c string) View { return &Join{Base: out(c, "/new"), State: "claimed", Until: at(12, 14, 17)} }},
	{"join-admitted", func(c string) View {
		return &Join{Base: out(c, "/new"), State: "admitted", Until: at(12, 14, 12), For: "owner@mail.example"}
	}},
	{"join-over", func(c string) View { return &Join{Base: out(c, "/new"), State: "over"} }},
	{"newdevice", func(c string) View {
		return &NewDevice{Base: in(c, "/devices/add"), Address: "login.exchange.example/new"}
	}},
	{"newdevice-bad", func(c string) View {
		return &NewDevice{Base: in(c, "/devices/add"), Address: "login.exchange.example/new", Bad: true, Strange: true}
	}},
	{"newdevice-wait", func(c string) View {
		return &NewDevice{Base: in(c, "/devices/add"), Address: "login.exchange.example/new", RetryIn: 3 * time.Minute, Open: "joi_01jp5b0a3v8qk2m9x7c4d6e1f7"}
	}},
	{"answer-same", func(c string) View { return answerOf(c, "claimed", nil) }},
	{"answer-apart", func(c string) View {
		return answerOf(c, "claimed", func(v *JoinAnswer) { v.Network, v.New.Addr, v.New.Place, v.Touched = "other", "198.51.100.4", "", true })
	}},
	{"answer-far", func(c string) View {
		return answerOf(c, "claimed", func(v *JoinAnswer) { v.Network, v.Far, v.New = "other", true, farSide })
	}},
	{"answer-elsewhere", func(c string) View {
		return answerOf(c, "claimed", func(v *JoinAnswer) { v.Elsewhere = true })
	}},
	{"answer-admitted", func(c string) View { return answerOf(c, "admitted", nil) }},
	{"answer-used", func(c string) View { return answerOf(c, "used", nil) }},
	{"answer-refused", func(c string) View { return answerOf(c, "refused", nil) }},
	{"answer-over", func(c string) View { return answerOf(c, "expired", nil) }},
	{"stepup-admit", func(c string) View {
		return &StepUp{Base: in(c, "/stepup"), Act: "devices.admit", Object: "joi_01jp5b0a3v8qk2m9x7c4d6e1f7", Name: newcomerSide.Agent.In(c), Addr: newcomerSide.Addr, Lasts: 5 * time.Minute, Asked: chrome, SignedIn: at(12, 14, 2)}
	}},
	{"change", func(c string) View {
		return &ChangePhone{Base: in(c, "/devices/change"), Devices: []Device{here, phone, resting}}
	}},
	{"change-enrol", func(c string) View {
		return &ChangePhone{Base: in(c, "/devices/change?old="+phone.ID), Old: &phone, Moves: []string{"MacBook"}, Stays: []string{"Galaxy S26"}, Sessions: phone.Sessions, Apps: 2, BotKeys: []string{"Grid trading, BTC and ETH"}}
	}},
	{"change-test", func(c string) View {
		return &ChangePhone{Base: in(c, "/devices/change?old="+phone.ID), Old: &phone, Stays: []string{"Galaxy S26"}, New: []NewPasskey{{Name: "Pixel 12", On: Agent{"Chrome", "Android 16"}, Here: true}}}
	}},
	{"change-retire", func(c string) View {
		return &ChangePhone{Base: in(c, "/devices/change?old="+phone.ID), Old: &phone, Stays: []string{"Galaxy S26"}, Sessions: phone.Sessions[:1], New: []NewPasskey{{Name: "Pixel 12", On: Agent{"Chrome", "Android 16"}, Tested: true}}, Tested: true}
	}},
	{"change-wait", func(c string) View {
		return &ChangePhone{Base: in(c, "/devices/change?old="+phone.ID), Old: &phone, Stays: []string{"Galaxy S26"}, Sessions: phone.Sessions[:1], New: []NewPasskey{{Name: "Pixel 12", On: Agent{"Chrome", "Android 16"}, Here: true, Tested: true}}, Tested: true,
			Until: at(13, 9, 41), With: []string{"Galaxy S26", "YubiKey 5"}}
	}},
	{"change-self", func(c string) View {
		return &ChangePhone{Base: in(c, "/devices/change?old="+here.ID), Old: &here, Tested: true, Touched: true, New: []NewPasskey{{Name: "Galaxy S26", Tested: true}}}
	}},
}
