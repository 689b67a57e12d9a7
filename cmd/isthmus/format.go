package main

import (
	"bytes"
	"encoding/json"
	"time"
	"unicode/utf8"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// format is how recv writes a message.
type format struct{ json, raw, null bool }

// record is a message with --json.
type record struct {
	Data        *string  `json:"data,omitempty"`
	Base64      []byte   `json:"data_base64,omitempty"`
	Sender      identity `json:"sender"`
	Type        int64    `json:"type"`
	Priority    uint32   `json:"priority"`
	Time        string   `json:"time"`
	Redelivered int      `json:"redelivered"`
}

type identity struct {
	PID  int    `json:"pid"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Name string `json:"name,omitempty"`
}

func (f format) append(buf []byte, m *isthmus.Message) ([]byte, error) {
	switch {
	case f.json:
		return appendJSON(buf, m)
	case f.raw:
		return append(buf, m.Data...), nil
	case f.null:
		return append(append(buf, m.Data...), 0), nil
	}
	return append(append(buf, m.Data...), '\n'), nil
}

func appendJSON(buf []byte, m *isthmus.Message) ([]byte, error) {
	r := record{
		Sender: identity{m.From.PID, m.From.UID, m.From.GID, m.From.Name},
		Type:   m.Type, Priority: m.Priority, Redelivered: m.Redelivered,
		Time: time.Now().Format(time.RFC3339Nano),
	}
	// The data may lie in shared memory, where a mad peer can change it between
	// the check and the use: look at a copy.
	if data := string(m.Data); utf8.ValidString(data) {
		r.Data = &data
	} else {
		r.Base64 = []byte(data)
	}
	w := bytes.NewBuffer(buf)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	err := e.Encode(r)
	return w.Bytes(), err
}
