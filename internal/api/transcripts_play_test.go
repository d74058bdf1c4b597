package api_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/api"
)

func raw(b []byte) json.RawMessage { return json.RawMessage(b) }

// options begins something.
func (s *speaker) options(name, path string, body any) []byte {
	s.w.t.Helper()
	var o api.Options
	if s.tokens.AccessToken == "" {
		s.ask(name, "POST", path, body).want(200, &o)
	} else {
		s.say(name, "POST", path, body).want(200, &o)
	}
	return o.Options
}

func (s *speaker) signed(options []byte, act, object string) json.RawMessage {
	s.w.t.Helper()
	answer, err := s.keys.Sign(options, act, object)
	ok(s.w.t, err)
	return answer
}

// enters signs up, as each of the two kinds does.
func (s *speaker) enters(mail string) {
	t := s.w.t
	t.Helper()
	var begun api.SignUp
	s.ask("begin; the challenge is options.challenge", "POST", "/api/v1/sign-up", map[string]string{"mail": mail}).want(200, &begun)
	answer, err := s.keys.Enrol(begun.Options)
	ok(t, err)
	finish := map[string]any{"ticket": begun.Ticket, "credential": raw(answer)}
	var got api.Tokens
	s.say("the two keys, with a proof by the new session key", "POST", "/api/v1/sign-up/finish", finish).want(201, &got)
	s.say("the answer was lost: the same again. Sign in", "POST", "/api/v1/sign-up/finish", finish).refused(409, "challenge_spent")
	s.tokens = got
	s.say("who am I", "GET", "/api/v1/session", nil).want(200)
	s.say("what the keys are worth", "GET", "/api/v1/passkeys", nil).want(200)
}

// With each of these an app can be held against what the server says, without a server.
func TestTranscripts(t *testing.T) {
	played := map[string]func(w *world, tp *tape){
		"android-sign-up": func(w *world, tp *tape) { w.speaker(tp, w.android()).enters("kim@example.org") },
		"ios-sign-up":     func(w *world, tp *tape) { w.speaker(tp, w.iphone()).enters("kim@example.org") },

		"android-enrol": func(w *world, tp *tape) {
			s := w.speaker(tp, w.android())
			before := w.app().signUp("kim@example.org")
			tp.call(before.key.Thumbprint(), "passkey_session.thumbprint")
			own := &speaker{&phone{app: *before, keys: s.keys}, tp}
			tp.call(own.tokens.AccessToken, "access_token")

			cred, err := own.browser.Get(own.options("a touch of the passkey that is there, for keys.add", "/api/v1/step-up", map[string]string{"act": "keys.add"}))
			ok(w.t, err)
			own.say("the passkey's answer", "POST", "/api/v1/step-up/finish", map[string]any{"act": "keys.add", "credential": raw(cred)}).want(200, &own.tokens)
			answer, err := s.keys.Enrol(own.options("begin; the challenge is options.challenge", "/api/v1/passkeys", nil))
			ok(w.t, err)
			finish := map[string]any{"credential": raw(answer), "name": "My phone"}
			own.say("the two keys, in the session of the passkey", "POST", "/api/v1/passkeys/finish", finish).want(201)
			own.say("the answer was lost: the same again. The touch was used, so the keys are there", "POST", "/api/v1/passkeys/finish", finish).refused(403, "step_up_required")
			s.nonce = own.nonce
			options := s.options("sign in with the new keys", "/api/v1/sign-in", nil)
			s.say("a statement by the new touch key, with a proof by the new session key", "POST", "/api/v1/sign-in/finish",
				map[string]any{"credential": s.signed(options, "sign-in", "")}).want(200)
			own.say("end the session from before", "DELETE", "/api/v1/session", nil).want(200)
		},

		"sign-in": func(w *world, tp *tape) {
			for _, p := range []*phone{w.android().signUp("kim@example.org"), w.iphone().signUp("lee@example.org")} {
				p.tokens = api.Tokens{}
				s, kind := w.speaker(tp, p), "Android"
				if p.keys.Apple != nil {
					kind = "iPhone"
				}
				finish := map[string]any{"credential": s.signed(s.options(kind+": begin", "/api/v1/sign-in", nil), "sign-in", "")}
				s.say(kind+": the statement", "POST", "/api/v1/sign-in/finish", finish).want(200)
				s.say(kind+": the answer was lost: the same again. Begin again", "POST", "/api/v1/sign-in/finish", finish).refused(409, "challenge_spent")
			}
			s := w.speaker(tp, w.android())
			s.say("keys that nobody enrolled", "POST", "/api/v1/sign-in/finish",
				map[string]any{"credential": s.signed(s.options("a phone that was set up anew: begin", "/api/v1/sign-in", nil), "sign-in", "")}).refused(401, "passkey_not_accepted")
		},

		"step-up": func(w *world, tp *tape) {
			s := w.signedIn(tp)
			s.say("an act that matters", "POST", "/api/v1/passkeys", nil).refused(403, "step_up_required")
			act := map[string]string{"act": "keys.add"}
			options := s.options("begin; show what \"purpose\" says", "/api/v1/step-up", act)
			s.say("the statement names the act", "POST", "/api/v1/step-up/finish", map[string]any{"act": "keys.add", "credential": s.signed(options, "keys.add", "")}).want(200, &s.tokens)
			s.say("the act again, with the new tokens", "POST", "/api/v1/passkeys", nil).want(200)
		},

		"step-up-lost-answer": func(w *world, tp *tape) {
			s := w.signedIn(tp)
			options := s.options("begin", "/api/v1/step-up", map[string]string{"act": "keys.add"})
			finish := map[string]any{"act": "keys.add", "credential": s.signed(options, "keys.add", "")}
			s.say("the statement; this answer is lost", "POST", "/api/v1/step-up/finish", finish).want(200)
			s.say("the same again: the access token that it goes with is dead", "POST", "/api/v1/step-up/finish", finish)
			s.refreshed("the refresh token that the app holds is dead as well", s.tokens.RefreshToken)
			s.tokens = api.Tokens{}
			options = s.options("sign in: begin", "/api/v1/sign-in", nil)
			s.say("sign in: the statement", "POST", "/api/v1/sign-in/finish", map[string]any{"credential": s.signed(options, "sign-in", "")}).want(200, &s.tokens)
			s.say("the touch was for the session that is gone", "POST", "/api/v1/passkeys", nil).refused(403, "step_up_required")
		},

		"refresh": func(w *world, tp *tape) {
			s := w.signedIn(tp)
			w.clock.pass(5*time.Minute + time.Second)
			s.say("five minutes later: the nonce is old", "GET", "/api/v1/session", nil).refused(401, "use_dpop_nonce")
			s.say("and so is the access token", "GET", "/api/v1/session", nil).refused(401, "access_expired")
			first := s.tokens.RefreshToken
			var lost, child, next api.Tokens
			s.refreshed("refresh; this answer is lost", first).want(200, &lost)
			s.refreshed("the same token again: the same child", first).want(200, &child)
			equal(w.t, "the child", child.RefreshToken, lost.RefreshToken)
			s.tokens = child
			s.say("the request again", "GET", "/api/v1/session", nil).want(200)
			s.refreshed("the child is used", child.RefreshToken).want(200, &next)
			s.refreshed("the first one, by a part of the app that was slower", first).refused(409, "refresh_superseded")
			thief := w.speaker(tp, w.android())
			thief.nonce = s.nonce
			thief.refreshed("a copy on another phone", next.RefreshToken).refused(401, "refresh_wrong_key")
			s.refreshed("nothing was turned by it", next.RefreshToken).want(200)
			w.clock.pass(31 * time.Second)
			s.refreshed("the first one, later than any slow part of an app: a restored copy of its store", first).refused(401, "refresh_reused")
			s.refreshed("and the session has ended", next.RefreshToken).refused(401, "refresh_invalid")
		},

		"nonce": func(w *world, tp *tape) {
			s := w.signedIn(tp)
			s.nonce = ""
			s.say("a proof without a nonce: the first request after a start", "GET", "/api/v1/session", nil).refused(401, "use_dpop_nonce")
			s.say("a new proof with the nonce of the answer, at once", "GET", "/api/v1/session", nil).want(200)
			w.clock.pass(time.Hour)
			s.refreshed("a nonce of an hour ago", s.tokens.RefreshToken).refused(401, "use_dpop_nonce")
		},

		"removed-phone": func(w *world, tp *tape) {
			owner, p := w.app().signUp("kim@example.org"), w.android()
			owner.touch("keys.add", "")
			var o api.Options
			owner.send("POST", "/api/v1/passkeys", nil).want(200, &o)
			answer, err := p.keys.Enrol(o.Options)
			ok(w.t, err)
			var key api.Passkey
			owner.send("POST", "/api/v1/passkeys/finish", map[string]any{"credential": raw(answer)}).want(201, &key)
			p.signIn().want(200)
			owner.signIn().touch("keys.remove", key.ID)
			owner.send("DELETE", "/api/v1/passkeys/"+key.ID, nil).want(200)

			s := w.speaker(tp, p)
			s.say("its owner removed the phone elsewhere", "GET", "/api/v1/session", nil).refused(401, "session_ended")
			s.refreshed("no token of it is good", s.tokens.RefreshToken).refused(401, "refresh_invalid")
			s.tokens = api.Tokens{}
			options := s.options("sign in: begin", "/api/v1/sign-in", nil)
			s.say("sign in: the statement. Delete both keys", "POST", "/api/v1/sign-in/finish", map[string]any{"credential": s.signed(options, "sign-in", "")}).refused(404, "key_unknown")
		},

		"another-act": func(w *world, tp *tape) {
			s := w.signedIn(tp)
			act := map[string]string{"act": "keys.remove", "object": "key_01jd8f00000000000000000000"}
			options := s.options("begin", "/api/v1/step-up", act)
			finish := func(object string) map[string]any {
				return map[string]any{"act": act["act"], "object": act["object"], "credential": s.signed(options, act["act"], object)}
			}
			s.say("the person was shown another key than the one that would go", "POST", "/api/v1/step-up/finish", finish("key_01jd8f11111111111111111111")).refused(401, "passkey_not_accepted")
			sign := s.options("begin a step-up for something else", "/api/v1/step-up", map[string]string{"act": "keys.add"})
			s.say("a touch for keys.add does not remove a key", "POST", "/api/v1/step-up/finish",
				map[string]any{"act": act["act"], "object": act["object"], "credential": s.signed(sign, "keys.add", "")}).refused(401, "passkey_not_accepted")
			s.say("nothing was spent: the same challenge, and the act that it is for", "POST", "/api/v1/step-up/finish", finish(act["object"])).want(200)
		},

		"another-machine": func(w *world, tp *tape) {
			owner := w.android().signUp("kim@example.org")
			owner.tokens = api.Tokens{}
			o, thief := w.speaker(tp, owner), w.speaker(tp, w.android())
			finish := map[string]any{"credential": o.signed(thief.options("a thief begins", "/api/v1/sign-in", nil), "sign-in", "")}
			thief.say("the owner was talked into a touch, and it comes from another machine", "POST", "/api/v1/sign-in/finish", finish).refused(401, "passkey_not_accepted")
			o.nonce = thief.nonce
			o.say("the same touch from the phone that gave it", "POST", "/api/v1/sign-in/finish", finish).want(200)
		},
	}
	for name, play := range played {
		t.Run(name, func(t *testing.T) {
			w, tp := newWorld(t), newTape(t)
			play(w, tp)
			tp.compare(name)
		})
	}
	files, err := filepath.Glob(transcripts + "/*.json")
	ok(t, err)
	for _, f := range files {
		if played[strings.TrimSuffix(filepath.Base(f), ".json")] == nil {
			t.Errorf("%s is played by nobody", f)
		}
	}
}

func (w *world) speaker(tp *tape, p *phone) *speaker {
	who := ""
	if tp.used["session_key.x"] {
		who = "other_"
	}
	tp.keys(who, p.keys)
	tp.call(p.tokens.AccessToken, "access_token")
	tp.call(p.tokens.RefreshToken, "refresh_token")
	return &speaker{p, tp}
}

// signedIn is a phone with a session that nobody wrote down.
func (w *world) signedIn(tp *tape) *speaker {
	return w.speaker(tp, w.android().signUp("kim@example.org"))
}

// The page for those who write apps names no code that no server sends.
func TestTheMobilePageNamesRealCodes(t *testing.T) {
	page, err := os.ReadFile("../../docs/mobile.md")
	ok(t, err)
	errors, err := os.ReadFile("../../docs/errors.md")
	ok(t, err)
	var codes []string
	for _, chapter := range []string{"## When an answer is lost", "## What a refusal asks of the app"} {
		_, text, found := strings.Cut(string(page), chapter)
		if !found {
			t.Fatalf("no chapter %q", chapter)
		}
		text, _, _ = strings.Cut(text, "\n## ")
		for _, m := range regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)`").FindAllStringSubmatch(text, -1) {
			codes = append(codes, m[1])
		}
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	if len(codes) < 15 {
		t.Fatalf("only %v", codes)
	}
	for _, c := range codes {
		if !strings.Contains(string(errors), "### `"+c+"`") {
			t.Errorf("docs/mobile.md names %s, which no answer carries", c)
		}
	}
}
