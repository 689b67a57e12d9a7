package main

import (
	"bufio"
	"bytes"
	"io"

	isthmus "github.com/isthmus-ipc/isthmus"
)

// lines cuts its input into pieces that end with a byte. It allocates nothing
// for a line that fits into its buffer, and passes a line on as soon as it is there.
type lines struct {
	r    *bufio.Reader
	end  byte
	most int
	long []byte // a line longer than r's buffer
	n    int    // the number of the line last read, from 1 on
}

func newLines(r io.Reader, end byte, most int) *lines {
	return &lines{r: bufio.NewReaderSize(r, 256<<10), end: end, most: most}
}

// next returns a line without its end, valid until the next call. It is io.EOF
// when there is none any more, and isthmus.ErrTooLarge if the line is too long.
func (l *lines) next() ([]byte, error) {
	l.n++
	line, err := l.r.ReadSlice(l.end)
	if err == bufio.ErrBufferFull {
		line, err = l.rest(line)
	}
	if err == io.EOF && len(line) > 0 {
		err = nil // the last line needs no end
	}
	if err != nil {
		return nil, err
	}
	line = bytes.TrimSuffix(line, []byte{l.end})
	if len(line) > l.most {
		return nil, isthmus.ErrTooLarge
	}
	return line, nil
}

func (l *lines) rest(first []byte) ([]byte, error) {
	l.long = append(l.long[:0], first...)
	for {
		if len(l.long) > l.most {
			return nil, isthmus.ErrTooLarge // no line of 10 GB is read to say so
		}
		more, err := l.r.ReadSlice(l.end)
		l.long = append(l.long, more...)
		if err != bufio.ErrBufferFull {
			return l.long, err
		}
	}
}
