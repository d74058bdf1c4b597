package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// The client shares the machine with what it measures, so it is as small as one
// can be: requests are bytes made beforehand, and of an answer it reads the
// status, the length and, where a figure needs one, a single header. Both sides
// of every ratio are asked by it.

// wire is one HTTP/1.1 keep-alive connection.
type wire struct {
	c    net.Conn
	buf  []byte // what was read
	have int
}

func dial(addr string) (*wire, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &wire{c: c, buf: make([]byte, 8<<10)}, nil
}

// answer is valid until the next request of the same wire.
type answer struct {
	status int
	head   []byte // status line and headers
	body   []byte
}

var (
	headEnd       = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")

	errAnswer = errors.New("an answer that this client cannot read")
)

// do sends one request and waits for its answer.
func (w *wire) do(request []byte) (answer, error) {
	if _, err := w.c.Write(request); err != nil {
		return answer{}, err
	}
	w.have = 0
	end := -1
	for end < 0 {
		if err := w.more(); err != nil {
			return answer{}, err
		}
		end = bytes.Index(w.buf[:w.have], headEnd)
	}
	a := answer{head: w.buf[:end+2]}
	if end < len("HTTP/1.1 200") {
		return a, errAnswer
	}
	var err error
	if a.status, err = strconv.Atoi(string(a.head[9:12])); err != nil {
		return a, errAnswer
	}
	length := 0
	if at := bytes.Index(a.head, contentLength); at >= 0 {
		line, _, _ := bytes.Cut(a.head[at+len(contentLength):], []byte("\r"))
		if length, err = strconv.Atoi(string(line)); err != nil {
			return a, errAnswer
		}
	} else if a.status != 204 && a.status != 304 {
		return a, fmt.Errorf("%w: %d without a length", errAnswer, a.status)
	}
	start := end + len(headEnd)
	for w.have < start+length {
		if err := w.more(); err != nil {
			return a, err
		}
	}
	a.head, a.body = w.buf[:end+2], w.buf[start:start+length] // reading may have moved the buffer
	return a, nil
}

func (w *wire) more() error {
	if w.have == len(w.buf) {
		w.buf = append(w.buf, make([]byte, len(w.buf))...)
	}
	n, err := w.c.Read(w.buf[w.have:])
	w.have += n
	if n > 0 {
		return nil
	}
	return err
}

// header is the value of the first header with this name, spelled as net/http
// writes it.
func (a answer) header(name string) []byte {
	return between(a.head, "\r\n"+name+": ", '\r')
}

// cookie is the value that a Set-Cookie header gives a cookie.
func (a answer) cookie(name string) []byte {
	return between(a.head, "\r\nSet-Cookie: "+name+"=", ';')
}

func between(text []byte, before string, after byte) []byte {
	at := bytes.Index(text, []byte(before))
	if at < 0 {
		return nil
	}
	text = text[at+len(before):]
	end := bytes.IndexByte(text, after)
	if end < 0 {
		return nil
	}
	return text[:end]
}

// unexpected is the error for an answer nobody wanted.
func (a answer) unexpected() error {
	body := a.body
	if len(body) > 300 {
		body = body[:300]
	}
	return fmt.Errorf("answer %d: %s", a.status, bytes.TrimSpace(body))
}

// request writes one down. The headers are those of a browser, so that every
// handler, empty or not, parses the same amount.
func request(dst []byte, method, path, host, addr, more string, body []byte) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, path...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, browserHeaders...)
	dst = append(dst, "X-Forwarded-For: "...)
	dst = append(dst, addr...)
	dst = append(dst, "\r\n"...)
	dst = append(dst, more...)
	if method != "GET" {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(body)), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "\r\n"...)
	return append(dst, body...)
}

const browserHeaders = "\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36\r\n" +
	"Accept: application/json\r\n" +
	"Accept-Language: en-GB,en;q=0.9\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Sec-Fetch-Site: same-origin\r\n" +
	"Sec-Fetch-Mode: cors\r\n" +
	"Sec-Fetch-Dest: empty\r\n"
