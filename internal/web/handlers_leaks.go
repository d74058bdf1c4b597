package web

import (
	"keyward/internal/apikey"
	"keyward/internal/store"
)

var foundBy = map[apikey.Via]Text{
	apikey.ViaGitHub:   text("botkey.found.github"),
	apikey.ViaReport:   text("botkey.found.report"),
	apikey.ViaOperator: text("botkey.found.operator"),
}

// leakOf adds what is known of the leak of a key.
func (s *Server) leakOf(tx *store.Tx, k apikey.Key, b *BotKey) error {
	if !b.Suspected {
		return nil
	}
	leak, err := s.BotKeys.Leak(tx, k.ID)
	if err == nil && leak.Live {
		b.Leaked = &BotKeyLeak{At: leak.At, Say: foundBy[leak.Via], Where: leak.URL}
		if leak.URL == "" && leak.Via != apikey.ViaOperator {
			b.Leaked.Say = text("botkey.found.nowhere")
		}
	}
	b.Replaced = err == nil && !leak.Live && k.EndedWhy == "leaked"
	return err
}

// botKeyWake gives a key the rights back that rest, on its owner's touch.
func (s *Server) botKeyWake(v *visit) error {
	return s.actOnBotKey(v, DidWakeBotKey, s.BotKeys.Wake)
}
