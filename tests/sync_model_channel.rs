//! Channels against a model: lists of what is buffered and who waits.

mod common;

use common::model::{Lab, Op, for_steps};
use corobin::sleep;
use corobin::sync::{
    RecvError, RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError, channel, oneshot,
};
use std::collections::VecDeque;
use std::time::Duration;

/// What an operation came to: an item received, or sent.
#[derive(Debug, PartialEq)]
enum Did {
    Sent,
    Back(u64),
    Received(u64),
    Closed,
    /// Its own time was over; a sender has its item back.
    Late(Option<u64>),
}

/// A channel as a child would describe it.
#[derive(Default)]
struct Model {
    capacity: usize,
    buffer: VecDeque<u64>,
    senders: VecDeque<(Op, u64)>,
    receivers: VecDeque<Op>,
}

impl Model {
    /// Who is served by this item, if it can be sent at once.
    fn try_send(&mut self, item: u64) -> Result<Option<Op>, ()> {
        if let Some(op) = self.receivers.pop_front() {
            return Ok(Some(op));
        }
        if self.buffer.len() < self.capacity {
            self.buffer.push_back(item);
            return Ok(None);
        }
        Err(())
    }

    /// An item, and the sender that is served by that.
    fn try_recv(&mut self) -> Option<(u64, Option<Op>)> {
        match self.buffer.pop_front() {
            Some(item) => {
                let moved = self.senders.pop_front();
                self.buffer.extend(moved.map(|(_, item)| item));
                Some((item, moved.map(|(op, _)| op)))
            }
            None => self.senders.pop_front().map(|(op, item)| (item, Some(op))),
        }
    }

    fn waiting(&self) -> Vec<Op> {
        let senders = self.senders.iter().map(|&(op, _)| op);
        senders.chain(self.receivers.iter().copied()).collect()
    }

    fn forget(&mut self, op: Op) {
        self.senders.retain(|&(other, _)| other != op);
        self.receivers.retain(|&other| other != op);
    }
}

const LIMIT: Duration = Duration::from_millis(5);

/// Most operations wait for ever, some in a `timeout`, some for a time of their own.
fn limits(random: &mut fastrand::Rng) -> (Option<Duration>, Option<Duration>) {
    match random.u8(..10) {
        0 => (Some(LIMIT), None),
        1 => (None, Some(LIMIT)),
        _ => (None, None),
    }
}

fn random_run(random: &mut fastrand::Rng, steps: u64) {
    let capacity = [0, 1, 2, 5][random.usize(..4)];
    let (tx, rx) = channel(capacity);
    let mut lab = Lab::new();
    let mut model = Model {
        capacity,
        ..Model::default()
    };
    // And what it comes to when its time is over.
    let mut limited: Vec<(Op, Option<Did>)> = Vec::new();
    let mut item = 0;
    for _ in 0..steps {
        let (around, within) = limits(random);
        match random.u8(..20) {
            0..=5 if lab.under_way() < 20 => {
                item += 1;
                let (tx, sent) = (tx.clone(), item);
                let op = lab.start(around, move || match within {
                    None => match tx.send(sent) {
                        Ok(()) => Did::Sent,
                        Err(error) => Did::Back(error.0),
                    },
                    Some(limit) => match tx.send_timeout(sent, limit) {
                        Ok(()) => Did::Sent,
                        Err(SendTimeoutError::Closed(item)) => Did::Back(item),
                        Err(SendTimeoutError::Timeout(item)) => Did::Late(Some(item)),
                    },
                });
                limited.extend(around.map(|_| (op, None)));
                limited.extend(within.map(|_| (op, Some(Did::Late(Some(sent))))));
                // The operation begins when it comes to run, which must not be between two of
                // the driver's own.
                match model.try_send(sent) {
                    Ok(served) => {
                        lab.expect(op, Some(Did::Sent));
                        if let Some(receiver) = served {
                            lab.expect(receiver, Some(Did::Received(sent)));
                        }
                    }
                    Err(()) => model.senders.push_back((op, sent)),
                }
                lab.check();
            }
            6..=11 if lab.under_way() < 20 => {
                let rx = rx.clone();
                let op = lab.start(around, move || match within {
                    None => match rx.recv() {
                        Ok(item) => Did::Received(item),
                        Err(RecvError) => Did::Closed,
                    },
                    Some(limit) => match rx.recv_timeout(limit) {
                        Ok(item) => Did::Received(item),
                        Err(RecvTimeoutError::Closed) => Did::Closed,
                        Err(RecvTimeoutError::Timeout) => Did::Late(None),
                    },
                });
                limited.extend(around.map(|_| (op, None)));
                limited.extend(within.map(|_| (op, Some(Did::Late(None)))));
                match model.try_recv() {
                    Some((item, served)) => {
                        lab.expect(op, Some(Did::Received(item)));
                        if let Some(sender) = served {
                            lab.expect(sender, Some(Did::Sent));
                        }
                    }
                    None => model.receivers.push_back(op),
                }
                lab.check();
            }
            // These take effect at once, and several in a row before anybody else runs.
            12..=13 => {
                item += 1;
                match (tx.try_send(item), model.try_send(item)) {
                    (Ok(()), Ok(served)) => {
                        if let Some(receiver) = served {
                            lab.expect(receiver, Some(Did::Received(item)));
                        }
                    }
                    (Err(TrySendError::Full(back)), Err(())) => assert_eq!(back, item),
                    (real, model) => panic!("try_send: {real:?}, not {model:?}"),
                }
            }
            14..=15 => match (rx.try_recv(), model.try_recv()) {
                (Ok(item), Some((expected, served))) => {
                    assert_eq!(item, expected);
                    if let Some(sender) = served {
                        lab.expect(sender, Some(Did::Sent));
                    }
                }
                (Err(TryRecvError::Empty), None) => {}
                (real, model) => panic!("try_recv: {real:?}, not {model:?}"),
            },
            16..=17 => {
                let waiting = model.waiting();
                if !waiting.is_empty() {
                    let op = waiting[random.usize(..waiting.len())];
                    lab.cancel(op);
                    model.forget(op);
                }
            }
            18 => lab.check(),
            _ => {
                lab.check();
                for (op, outcome) in limited.drain(..) {
                    if model.waiting().contains(&op) {
                        model.forget(op);
                        lab.expect(op, outcome);
                    }
                }
                sleep(LIMIT);
                lab.compare();
            }
        }
        assert_eq!(tx.len(), model.buffer.len());
        assert_eq!(rx.is_full(), model.buffer.len() == capacity);
    }
    // The end: those who wait learn that the other side is gone, or are cancelled.
    lab.check();
    if random.bool() {
        model.waiting().into_iter().for_each(|op| lab.cancel(op));
    } else {
        for (op, item) in model.senders {
            lab.expect(op, Some(Did::Back(item)));
        }
        for op in model.receivers {
            lab.expect(op, Some(Did::Closed));
        }
    }
    drop((tx, rx));
    lab.check();
    assert_eq!(lab.under_way(), 0);
}

#[test]
fn channels_agree_with_the_model() {
    for_steps(500, random_run);
}

/// One item, at most: sent, received, cancelled, timed out and dropped at random.
fn random_oneshots(random: &mut fastrand::Rng, steps: u64) {
    let mut lab = Lab::new();
    for _ in 0..steps / 5 {
        let (tx, rx) = oneshot();
        let (mut tx, mut rx) = (Some(tx), Some(rx));
        let (mut sent, mut waits) = (false, None);
        for _ in 0..5 {
            match random.u8(..6) {
                0..=1 => {
                    if let Some(tx) = tx.take() {
                        let result = tx.send(7);
                        sent = result.is_ok();
                        assert_eq!(sent, rx.is_some() || waits.is_some());
                        if let (true, Some(op)) = (sent, waits.take()) {
                            lab.expect(op, Some(Ok(7)));
                        }
                    }
                }
                2..=3 => {
                    if let Some(rx) = rx.take() {
                        let limit = random.bool().then_some(LIMIT);
                        let op = lab.start(limit, move || rx.recv());
                        if sent {
                            lab.expect(op, Some(Ok(7)));
                        } else if tx.is_none() {
                            lab.expect(op, Some(Err(RecvError)));
                        } else {
                            waits = Some(op);
                        }
                        lab.check();
                        if let (Some(op), true, true) = (waits, limit.is_some(), random.bool()) {
                            lab.expect(op, None);
                            waits = None;
                            sleep(LIMIT);
                            lab.compare();
                        }
                    }
                }
                4 => {
                    if let Some(op) = waits.take() {
                        lab.cancel(op);
                        // Not yet unwound, and yet nothing is handed to it.
                        if let Some(tx) = tx.take_if(|_| random.bool()) {
                            let _ = tx.send(7);
                        }
                        lab.check();
                    }
                }
                _ => {
                    if let (Some(op), true) = (waits, tx.take().is_some()) {
                        lab.expect(op, Some(Err(RecvError)));
                        waits = None;
                    }
                    lab.check();
                }
            }
        }
        drop(tx);
        if let Some(op) = waits {
            lab.expect(op, Some(Err(RecvError)));
        }
        lab.check();
        assert_eq!(lab.under_way(), 0);
    }
}

#[test]
fn oneshots_agree_with_the_model() {
    for_steps(500, random_oneshots);
}
