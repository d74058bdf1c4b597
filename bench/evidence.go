package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"keyward/internal/attest"
	"keyward/internal/contain"
	"keyward/internal/device"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// What evidence costs: one statement, beside the bare signatures in it, and judging
// again all keys of a deployment when a list has changed.

const phonePackage, phoneApp = "com.example.exchange", "TEAM123456.com.example.exchange"

func (b *bench) evidence(ctx context.Context) error {
	if err := b.statements(ctx); err != nil {
		return err
	}
	return b.judgeAgain(ctx, 10_000)
}

func (b *bench) manyJudged(ctx context.Context) error { return b.judgeAgain(ctx, 1_000_000) }

func (b *bench) statements(ctx context.Context) error {
	maker, now, challenge := softkey.NewMaker(), time.Now(), []byte("a challenge of the server's")
	key, err := ecdsa.GenerateKey(elliptic.P256(), nil)
	if err != nil {
		return err
	}
	none, err := attest.ParseRevoked([]byte(`{"entries":{}}`))
	if err != nil {
		return err
	}
	chain := maker.Android(key.Public(), softkey.Phone(challenge, phonePackage, [32]byte{}))
	android := attest.AndroidPolicy{Roots: []*x509.Certificate{maker.Root}, Revoked: none, Challenge: challenge, Apps: []attest.App{{Package: phonePackage}}, AuthPerUse: true}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	phone, hash := softkey.NewIPhone(), sha256.Sum256(challenge)
	object := maker.AppAttest(phone, phoneApp, softkey.AppleProduction, hash, now)
	apple := attest.AppAttestPolicy{Root: maker.Root, AppIDs: []string{phoneApp}}
	assertion := phone.Assert(phoneApp, hash)
	digest := sha256.Sum256(challenge)
	sig, err := ecdsa.SignASN1(nil, key, digest[:])
	if err != nil {
		return err
	}
	again := func(f func() error) func() (func() error, error) {
		return func() (func() error, error) { return f, nil }
	}
	s, err := b.rounds(ctx,
		inProcess("two bare signatures of a chain", again(func() error {
			return errors.Join(leaf.CheckSignatureFrom(maker.Middle()), maker.Middle().CheckSignatureFrom(maker.Root))
		})),
		inProcess("Android key attestation", again(func() error {
			v, err := attest.VerifyAndroid(chain, android, now)
			if err == nil && !v.Hardware() {
				err = fmt.Errorf("a good phone: %v", v.Faults)
			}
			return err
		})),
		inProcess("App Attest", again(func() error {
			_, err := attest.VerifyAppAttest(object, phone.ID, hash, apple, now)
			return err
		})),
		inProcess("one bare signature", again(func() error {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig) {
				return errors.New("a good signature")
			}
			return nil
		})),
		inProcess("App Attest assertion", again(func() error {
			_, err := attest.VerifyAppAssertion(assertion, phone.Public(), hash, 0, apple)
			return err
		})),
	)
	if err != nil {
		return err
	}
	const part = "evidence"
	b.add(
		against(figure{Part: part, Name: "Android key attestation", Of: "the chain's two signatures", Remark: "three certificates parsed, a key description read, a list asked"}, s[1], s[0]),
		against(figure{Part: part, Name: "App Attest, attestation", Of: "the chain's two signatures"}, s[2], s[0]),
		against(figure{Part: part, Name: "App Attest, assertion", Of: "one signature", Remark: "with each touch of an iPhone"}, s[4], s[3]),
	)
	return nil
}

// judgeAgain has n keys of phones judged by a list that revokes all of them.
func (b *bench) judgeAgain(ctx context.Context, n int) (err error) {
	d, err := b.deploy(ctx, "judged-"+slug("keys", n), "")
	if err != nil {
		return err
	}
	c, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.db.Close()) }()
	maker := softkey.NewMaker()
	devices, err := device.New(device.Config{
		RPID: "localhost", RPName: "bench", Origins: []string{d.origin()}, Now: c.db.Now, AndroidRoots: []*x509.Certificate{maker.Root},
	}, c.ring, c.log)
	if err != nil {
		return err
	}
	b.say("  loading %s keys with evidence", count(n))
	if err := c.loadAttested(ctx, devices, maker, d.origin(), n); err != nil {
		return err
	}
	revoked, err := attest.ParseRevoked([]byte(`{"entries":{"` + maker.Middle().SerialNumber.Text(16) + `":{"status":"REVOKED"}}}`))
	if err != nil {
		return err
	}
	judge := contain.New(c.db, c.log, c.accounts, devices, nil, nil, nil)
	before, most, seen := living(), uint64(0), 0
	begin := time.Now()
	found, err := judge.DryRegrade(ctx, device.Lists{Revoked: revoked}, func(device.Judged) {
		if seen++; seen%10_000 == 1 {
			most = max(most, living())
		}
	})
	took := time.Since(begin)
	if err == nil && (found.Keys != n || found.Fell != n) {
		err = fmt.Errorf("%+v of %d keys", found, n)
	}
	if err != nil {
		return err
	}
	part := "evidence, " + count(n) + " keys"
	b.add(
		figure{Part: part, Name: "judged again after a list changed", Ours: float64(n) / took.Seconds(), Unit: "/s", Remark: fmt.Sprintf("all of them in %s, on one core, read from SQLite; no bar", took.Round(100*time.Millisecond))},
		figure{Part: part, Name: "memory meanwhile", Ours: float64(most-min(before, most)) / 1e6, Unit: "MB", Remark: "reachable at most, beside what was there before; no bar"},
	)
	return nil
}

// loadAttested writes n keys that one phone would have made: each has the same statement.
func (c *core) loadAttested(ctx context.Context, devices *device.Service, maker *softkey.Maker, origin string, n int) error {
	none, err := attest.ParseRevoked([]byte(`{"entries":{}}`))
	if err != nil {
		return err
	}
	devices.UseLists(device.Lists{Revoked: none})
	keys := &softkey.Authenticator{Statement: softkey.AndroidKey, Maker: maker, Local: true, Phone: func(challenge []byte) softkey.Android {
		return softkey.Phone(challenge, phonePackage, [32]byte{})
	}}
	f := device.RegisterFor{Handle: make([]byte, 32), UserName: "bench"}
	options, err := devices.BeginRegister(f, "bench")
	if err != nil {
		return err
	}
	answer, err := (&softkey.Browser{Origin: origin, Keys: keys}).Create(options)
	if err != nil {
		return err
	}
	att, err := devices.ParseRegister(ctx, f, "bench", answer)
	if err != nil {
		return err
	}
	evidence, err := json.Marshal(att.Evidence())
	if err != nil {
		return err
	}
	object, hash, err := attestedParts(answer)
	if err != nil {
		return err
	}
	const columns = "id, account, device, handle, name, credential_id, public_key, alg, aaguid, grade, be, bs, counter, counter_before, transports, attestation, client_data_hash, format, source, created_at, last_used, removed_at, removed_by, version, evidence"
	at := store.Micros(c.db.Now())
	const perStatement, perTransaction = 16, 2048
	for done := 0; done < n; done += perTransaction {
		if err := c.db.Housekeeping(ctx, func(tx *store.Tx) error {
			for from := done; from < min(done+perTransaction, n); from += perStatement {
				var values []any
				rows := min(perStatement, n-from, done+perTransaction-from)
				for i := range rows {
					id := fmt.Sprintf("key_%026d", from+i)
					values = append(values, id, "acc_"+id[4:], "dev_"+id[4:], make([]byte, 32), "Phone", []byte(id), []byte{1}, int64(-7), make([]byte, 16), string(device.Hardware), false, false, int64(0), int64(0), "[]",
						object, hash, "android-key", "first", at, int64(0), int64(0), "", int64(1), string(evidence))
				}
				if err := tx.Later("INSERT INTO device_key ("+columns+") VALUES "+places(rows, strings.Count(columns, ",")+1), values...); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("attested keys: %w", err)
		}
	}
	return nil
}

// attestedParts are what device stores of an answer.
func attestedParts(answer []byte) (object, hash []byte, err error) {
	var in struct {
		Response struct {
			Client string `json:"clientDataJSON"`
			Object string `json:"attestationObject"`
		} `json:"response"`
	}
	if err := json.Unmarshal(answer, &in); err != nil {
		return nil, nil, err
	}
	if object, err = base64.RawURLEncoding.DecodeString(in.Response.Object); err != nil {
		return nil, nil, err
	}
	client, err := base64.RawURLEncoding.DecodeString(in.Response.Client)
	sum := sha256.Sum256(client)
	return object, slices.Clone(sum[:]), err
}
