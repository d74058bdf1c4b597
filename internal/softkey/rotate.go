package softkey

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strconv"
)

// Rotation is what a bot writes down before it asks for a new version of its key: with it
// the same question can be asked again, and the answer read.
type Rotation struct {
	Bot  *Bot
	Next int64 // the version that is to be made

	Private ed25519.PrivateKey // of the new version
	Seal    *ecdh.PrivateKey   // for the answer, where the key has a secret
}

// Rotation begins one.
func (b *Bot) Rotation(next int64) *Rotation {
	r := &Rotation{Bot: b, Next: next}
	var err error
	if b.Private != nil {
		_, r.Private, err = ed25519.GenerateKey(rand.Reader)
	} else {
		r.Seal, err = ecdh.X25519().GenerateKey(rand.Reader)
	}
	if err != nil {
		panic(err)
	}
	return r
}

// Path is where it is sent to.
func (r *Rotation) Path() string { return "/v1/keys/" + r.Bot.ID + "/rotate" }

// Body is what is sent.
func (r *Rotation) Body() string {
	said := map[string]any{"version": r.Next}
	if r.Seal != nil {
		said["seal_to"] = base64.RawURLEncoding.EncodeToString(r.Seal.PublicKey().Bytes())
	} else {
		public := base64.RawURLEncoding.EncodeToString(r.Private.Public().(ed25519.PublicKey))
		text := "keyward-rotate-v1\n" + r.Bot.Authority + "\n" + r.Bot.ID + "\n" + strconv.FormatInt(r.Next, 10) + "\n" + public
		said["public_key"] = public
		said["proof"] = base64.RawURLEncoding.EncodeToString(ed25519.Sign(r.Private, []byte(text)))
	}
	b, err := json.Marshal(said)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Done makes the bot that signs with the new version, from the answer.
func (r *Rotation) Done(answer []byte) (*Bot, error) {
	var said struct {
		Key    string `json:"key"`
		Sealed string `json:"sealed_secret"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return nil, err
	}
	next := &Bot{ID: said.Key, Authority: r.Bot.Authority, Private: r.Private, Skew: r.Bot.Skew}
	if r.Seal == nil {
		return next, nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(said.Sealed)
	if err != nil {
		return nil, err
	}
	key, err := hpke.NewDHKEMPrivateKey(r.Seal)
	if err != nil {
		return nil, err
	}
	info := "keyward-rotate-v1 secret\n" + r.Bot.Authority + "\n" + r.Bot.ID + "\n" + strconv.FormatInt(r.Next, 10)
	secret, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte(info), sealed)
	next.Secret = string(secret)
	return next, err
}
