package service

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
)

// textFrame is the first byte of a text message in one frame (RFC 6455, section
// 5.2).
const textFrame = 0x81

// Accept returns the Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455,
// section 4.2.2).
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// serveWebSocket sends the e-mail address of the user and then echoes each message.
func serveWebSocket(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "websocket" {
		http.Error(w, "not a WebSocket handshake", http.StatusUpgradeRequired)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + Accept(r.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n")
	text := []byte(user(r))
	for err == nil {
		if err = WriteText(rw.Writer, text); err == nil {
			text, err = ReadText(rw.Reader)
		}
	}
}

// WriteText writes an unmasked text message of less than 126 bytes.
func WriteText(w *bufio.Writer, text []byte) error {
	_, _ = w.Write(append([]byte{textFrame, byte(len(text))}, text...))
	return w.Flush()
}

// ReadText reads a text message of less than 126 bytes, masked or not.
func ReadText(r io.Reader) ([]byte, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := head[1] & 0x7f
	if head[0] != textFrame || size > 125 {
		return nil, errors.New("not a short text message")
	}
	mask := make([]byte, 4)
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, mask); err != nil {
			return nil, err
		}
	}
	text := make([]byte, size)
	_, err := io.ReadFull(r, text)
	for i := range text {
		text[i] ^= mask[i%4]
	}
	return text, err
}
