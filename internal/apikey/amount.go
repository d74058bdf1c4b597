package apikey

import (
	"context"
	"math/big"
	"strconv"
	"strings"
	"time"

	"keyward/internal/store"
)

// DayCap is how much a key may trade from midnight to midnight (UTC). Most is in millionths of
// the currency; the zero value is no cap.
type DayCap struct {
	Most     int64
	Currency string
}

// Amount is how much an order trades, in millionths of a currency. The zero value is one
// that nobody could read.
type Amount struct {
	Micros   int64
	Currency string
}

const (
	micros    = 1_000_000
	maxDayCap = 1_000_000_000_000 * micros // its double still fits into 64 bits, so a sum cannot turn negative
	maxDigits = 18                         // before and behind the point
)

// ParseDayCap reads a cap as a person writes it: "2500" of "USD". Two empty texts are no cap.
func ParseDayCap(amount, currency string) (DayCap, error) {
	if amount == "" && currency == "" {
		return DayCap{}, nil
	}
	x, ok := decimal(amount)
	if !ok {
		return DayCap{}, ErrDayCap
	}
	x.Mul(x, big.NewRat(micros, 1))
	if !x.IsInt() || !x.Num().IsInt64() {
		return DayCap{}, ErrDayCap
	}
	c := DayCap{x.Num().Int64(), currency}
	if c.Most == 0 || !c.ok() {
		return DayCap{}, ErrDayCap
	}
	return c, nil
}

func (c DayCap) ok() bool {
	if c == (DayCap{}) {
		return true
	}
	return c.Most > 0 && c.Most <= maxDayCap && IsCurrency(c.Currency)
}

// IsCurrency: as exchanges write them, "USD", "KRW", "USDT", "1INCH".
func IsCurrency(s string) bool {
	return s != "" && len(s) <= 12 && !strings.ContainsFunc(s, func(r rune) bool { return !(r >= 'A' && r <= 'Z' || r >= '0' && r <= '9') })
}

// Text is the amount as a person writes it; "" without a cap.
func (c DayCap) Text() string {
	if c.Most == 0 {
		return ""
	}
	return plainly(c.Most)
}

func plainly(amount int64) string {
	text := strconv.FormatInt(amount/micros, 10)
	if rest := amount % micros; rest != 0 {
		text += "." + strings.TrimRight(strconv.FormatInt(micros+rest, 10)[1:], "0")
	}
	return text
}

// String is the cap in one text, for what a touch is bound to.
func (c DayCap) String() string {
	if c.Most == 0 {
		return ""
	}
	return c.Text() + " " + c.Currency
}

// widens reports whether another cap lets a key trade more. Another currency is more:
// nobody here knows what it is worth.
func (c DayCap) widens(to DayCap) bool {
	return c.Most != 0 && (to.Most == 0 || to.Most > c.Most || to.Currency != c.Currency)
}

// counts reports whether an amount can be counted against the cap.
func (c DayCap) counts(a Amount) bool { return a.Micros > 0 && a.Currency == c.Currency }

// Trades is the product of the numbers that a request names (a quantity and a price; one
// number stands for itself) in millionths of a currency, rounded up: what is counted is
// never less than what is traded. false for anything but positive plain numbers, or for a
// product no cap could hold.
//
// Exact to the last digit: a float takes 0.1 for another number, and who sends ten
// thousand orders would trade past the cap on the difference.
func Trades(currency string, numbers ...string) (Amount, bool) {
	product := big.NewRat(micros, 1)
	for _, n := range numbers {
		x, ok := decimal(n)
		if !ok {
			return Amount{}, false
		}
		product.Mul(product, x)
	}
	up, rest := new(big.Int).QuoRem(product.Num(), product.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		up.Add(up, big.NewInt(1))
	}
	if len(numbers) == 0 || up.Sign() <= 0 || !up.IsInt64() || up.Int64() > maxDayCap {
		return Amount{}, false
	}
	return Amount{up.Int64(), currency}, true
}

// decimal reads digits, a point, digits, and nothing else: no sign, no exponent, no second
// spelling of zero before the first digit. Whatever a lenient reader makes of "1e3", "0x1",
// " 1" or "1,000", it is not for us to guess.
func decimal(s string) (*big.Rat, bool) {
	whole, rest, point := strings.Cut(s, ".")
	if whole == "" || len(whole) > maxDigits || len(rest) > maxDigits || point && rest == "" || len(whole) > 1 && whole[0] == '0' {
		return nil, false
	}
	for _, c := range []byte(whole + rest) {
		if c < '0' || c > '9' {
			return nil, false
		}
	}
	return new(big.Rat).SetString(s)
}

// spend counts an order against the cap of its key. It comes last: what is refused before
// costs nothing of the day. What the exchange refuses after it stays counted; to give it
// back we would have to believe whoever says that nothing was traded.
func (s *Service) spend(ctx context.Context, k *Key, a Amount, now time.Time) Code {
	var rows int64
	err := s.db.Housekeeping(ctx, func(tx *store.Tx) (err error) {
		rows, err = tx.Exec(sqlSpend, string(k.ID), store.Micros(dayOf(now)), a.Micros, k.DayCap.Most)
		return err
	})
	switch {
	case err != nil:
		return Unavailable // nobody knows what is left: fail closed
	case rows == 0:
		return DayCapReached
	}
	return ""
}

// dayOf is midnight in UTC, the same for all gates wherever they stand.
func dayOf(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour) }

// Spent is how much a key with a cap has traded today, as a person writes it.
func (s *Service) Spent(tx *store.Tx, k Key) (string, error) {
	var spent int64
	err := tx.Row(sqlSpent, string(k.ID), store.Micros(dayOf(tx.Now))).Scan(&spent)
	if err == store.ErrNoRows {
		err = nil
	}
	return plainly(spent), err
}
