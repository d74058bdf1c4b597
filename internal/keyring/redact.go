package keyring

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is embedded in every type that holds a key. fmt walks unexported fields by reflection, so a
// stray %+v of a struct that holds a Ring would otherwise print the root; Format answers every verb,
// LogValue answers slog, the two Marshals answer JSON and text encoders.
type redacted struct{}

const hidden = "[secret]"

func (redacted) Format(f fmt.State, _ rune)   { io.WriteString(f, hidden) }
func (redacted) LogValue() slog.Value         { return slog.StringValue(hidden) }
func (redacted) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }
