//go:build !linux

package sys

import (
	"errors"
	"os"
	"time"
)

type mqTime struct{}

// OpenMQ is unsupported.
func OpenMQ(string, MQOpening) (*MQ, error) { return nil, errors.ErrUnsupported }

// UnlinkMQ is unsupported.
func UnlinkMQ(string) error { return errors.ErrUnsupported }

// Attr is unsupported.
func (q *MQ) Attr() (MQAttr, error) { return MQAttr{}, errors.ErrUnsupported }

// Stat is unsupported.
func (q *MQ) Stat() (Stat, time.Time, error) { return Stat{}, time.Time{}, errors.ErrUnsupported }

// Status is unsupported.
func (q *MQ) Status() (MQStatus, error) { return MQStatus{}, errors.ErrUnsupported }

// Close is unsupported.
func (q *MQ) Close() error { return errors.ErrUnsupported }

// File is unsupported.
func (q *MQ) File() (*os.File, error) { return nil, errors.ErrUnsupported }

// NewMQCall makes a call that cannot be made.
func NewMQCall(send bool) *MQCall { return &MQCall{send: send} }

// Try is unsupported.
func (q *MQ) Try(*MQCall) error { return errors.ErrUnsupported }

// Polled is false.
func (q *MQ) Polled() bool { return false }

// Poll is unsupported.
func (q *MQ) Poll(*MQCall) error { return errors.ErrUnsupported }

// Deadline does nothing.
func (q *MQ) Deadline(bool, time.Time) {}

// Arm does nothing.
func (c *MQCall) Arm() {}

// Disarm does nothing.
func (c *MQCall) Disarm() {}

// Expire does nothing.
func (c *MQCall) Expire() {}

// Cancel does nothing.
func (c *MQCall) Cancel() {}

// Block is unsupported.
func (q *MQ) Block(*MQCall) error { return errors.ErrUnsupported }

// MQBytesLimit is not known.
func MQBytesLimit() int64 { return -1 }

// FilesLimit is not known.
func FilesLimit() (limit int64, reached bool) { return 0, false }

// ListMQ is unsupported.
func ListMQ(string) ([]string, error) { return nil, errors.ErrUnsupported }

// MQNotify is one registration with a queue. There are none here.
type MQNotify struct{}

// Notify is unsupported.
func (q *MQ) Notify() (*MQNotify, error) { return nil, errors.ErrUnsupported }

// Unnotify is unsupported.
func (q *MQ) Unnotify() error { return errors.ErrUnsupported }

// Wait is unsupported.
func (n *MQNotify) Wait() (bool, error) { return false, errors.ErrUnsupported }

// Close is unsupported.
func (n *MQNotify) Close() error { return errors.ErrUnsupported }
