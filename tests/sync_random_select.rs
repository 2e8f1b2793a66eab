//! Random programs of `select!`, `Select`, sends and receives over few channels: each item goes
//! exactly one way, and nobody waits who need not.

mod common;

use common::model::{for_steps, settle};
use corobin::sync::{Receiver, RecvTimeoutError, Select, SendTimeoutError, Sender, channel};
use corobin::{JoinHandle, select, sleep, spawn, timeout, yield_now};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

const CHANNELS: usize = 3;

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Made, and nothing else yet.
    Made,
    Received,
    /// It came back from a closed channel, or its send was unwound.
    Dropped,
}

/// All items by number.
#[derive(Default)]
struct Books {
    fates: RefCell<BTreeMap<u64, Fate>>,
    /// Messages that a `select!` has made.
    made_by_select: Cell<u64>,
}

/// Tells the books where it ends.
struct Item {
    number: u64,
    received: bool,
    books: Rc<Books>,
}

impl Item {
    fn new(books: &Rc<Books>) -> Item {
        let mut fates = books.fates.borrow_mut();
        let number = fates.len() as u64;
        fates.insert(number, Fate::Made);
        Item {
            number,
            received: false,
            books: books.clone(),
        }
    }

    fn receive(mut self) {
        self.received = true;
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        let fate = if self.received {
            Fate::Received
        } else {
            Fate::Dropped
        };
        let before = self.books.fates.borrow_mut().insert(self.number, fate);
        assert_eq!(before, Some(Fate::Made), "an item has one end");
    }
}

/// What a worker waits for: the channels it would send to and receive from.
#[derive(Clone, Default)]
struct Wants {
    send: Vec<usize>,
    recv: Vec<usize>,
}

struct Lab {
    channels: Vec<(Sender<Item>, Receiver<Item>)>,
    books: Rc<Books>,
    /// By worker, while it waits.
    wants: RefCell<BTreeMap<u32, Wants>>,
}

impl Lab {
    /// Nobody may wait for what is there.
    fn check_that_all_wait_in_vain(&self) {
        let wants = self.wants.borrow();
        for (at, (tx, rx)) in self.channels.iter().enumerate() {
            let senders: Vec<_> = wants.iter().filter(|(_, w)| w.send.contains(&at)).collect();
            let receivers: Vec<_> = wants.iter().filter(|(_, w)| w.recv.contains(&at)).collect();
            if !senders.is_empty() {
                assert!(tx.is_full(), "a sender waits although there is room");
            }
            if !receivers.is_empty() {
                assert!(rx.is_empty(), "a receiver waits although there is an item");
            }
            for (sender, _) in &senders {
                for (receiver, _) in &receivers {
                    assert_eq!(sender, receiver, "two wait for each other on channel {at}");
                }
            }
        }
    }
}

/// Says what a worker waits for, while it exists.
struct Waiting<'a>(&'a Lab, u32);

impl<'a> Waiting<'a> {
    fn new(lab: &'a Lab, worker: u32, wants: Wants) -> Self {
        lab.wants.borrow_mut().insert(worker, wants);
        Waiting(lab, worker)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.wants.borrow_mut().remove(&self.1);
    }
}

fn make(lab: &Lab, suspends: bool) -> Item {
    lab.books
        .made_by_select
        .set(lab.books.made_by_select.get() + 1);
    if suspends {
        yield_now();
    }
    Item::new(&lab.books)
}

/// One random operation; gives how many took place.
fn operate(lab: &Lab, worker: u32, random: &mut fastrand::Rng) -> u32 {
    let [a, b, c] = [(); 3].map(|()| random.usize(..CHANNELS));
    let (tx, rx) = (
        |at: usize| &lab.channels[at].0,
        |at: usize| &lab.channels[at].1,
    );
    let wants = |send: &[usize], recv: &[usize]| {
        let (send, recv) = (send.to_vec(), recv.to_vec());
        Waiting::new(lab, worker, Wants { send, recv })
    };
    let receive = |item: Result<Item, _>| item.expect("all sides are alive").receive();
    let slow = random.u8(..8) == 0;
    let done = Cell::new(0);
    let did = || done.set(done.get() + 1);
    match random.u8(..12) {
        0 => {
            let item = Item::new(&lab.books);
            let waiting = wants(&[a], &[]);
            assert!(tx(a).send(item).is_ok());
            drop(waiting);
            did();
        }
        1 => {
            let waiting = wants(&[], &[a]);
            receive(rx(a).recv());
            drop(waiting);
            did();
        }
        2 | 3 => {
            let waiting = wants(&[c], &[a, b]);
            select! {
                recv(rx(a)) -> item => { receive(item); did() }
                recv(rx(b)) -> item => { receive(item); did() }
                send(tx(c), { drop(waiting); make(lab, slow) }) -> sent => { assert!(sent.is_ok()); did() }
            }
        }
        4 => {
            let waiting = wants(&[a, b], &[]);
            let waiting = Cell::new(Some(waiting));
            select! {
                send(tx(a), { waiting.take(); make(lab, slow) }) -> sent => { assert!(sent.is_ok()); did() }
                send(tx(b), { waiting.take(); make(lab, slow) }) -> sent => { assert!(sent.is_ok()); did() }
            }
        }
        5 => {
            select! {
                recv(rx(a)) -> item => { receive(item); did() }
                send(tx(b), make(lab, false)) -> sent => { assert!(sent.is_ok()); did() }
                default => {}
            }
        }
        6 => {
            let waiting = Cell::new(Some(wants(&[b], &[a])));
            select! {
                recv(rx(a)) -> item => { receive(item); did() }
                send(tx(b), { waiting.take(); make(lab, slow) }) -> sent => { assert!(sent.is_ok()); did() }
                default(Duration::from_millis(3)) => {}
            }
        }
        7 => {
            let mut select = Select::new();
            let waiting = wants(&[b], &[a, c]);
            let receivers = [a, c].map(|at| (select.recv(rx(at)), at));
            let sender = select.send(tx(b));
            let operation = select.select();
            drop(waiting);
            // Not all are completed.
            if random.u8(..4) > 0 {
                if operation.index() == sender {
                    assert!(operation.send(tx(b), make(lab, slow)).is_ok());
                } else {
                    let at = receivers
                        .iter()
                        .find(|(index, _)| *index == operation.index());
                    receive(operation.recv(rx(at.unwrap().1)));
                }
                did();
            }
        }
        8 => {
            let item = Item::new(&lab.books);
            let waiting = wants(&[a], &[]);
            let sent = tx(a).send_timeout(item, Duration::from_millis(random.u64(..4)));
            drop(waiting);
            match sent {
                Ok(()) => did(),
                Err(SendTimeoutError::Timeout(item)) => assert!(!item.received),
                Err(SendTimeoutError::Closed(_)) => unreachable!("all sides are alive"),
            }
        }
        9 => {
            let waiting = wants(&[], &[a]);
            let item = rx(a).recv_timeout(Duration::from_millis(random.u64(..4)));
            drop(waiting);
            match item {
                Ok(item) => {
                    item.receive();
                    did();
                }
                Err(error) => assert_eq!(error, RecvTimeoutError::Timeout),
            }
        }
        10 => {
            if let Ok(item) = rx(a).try_recv() {
                item.receive();
                did();
            }
        }
        _ => {
            if tx(a).try_send(Item::new(&lab.books)).is_ok() {
                did();
            }
        }
    }
    done.get()
}

fn random_run(random: &mut fastrand::Rng, steps: u64) {
    let channels = (0..CHANNELS).map(|_| channel(random.usize(..3)));
    let lab = Rc::new(Lab {
        channels: channels.collect(),
        books: Rc::default(),
        wants: RefCell::default(),
    });
    let mut workers: Vec<JoinHandle<()>> = Vec::new();
    for worker in 0..steps as u32 {
        let (lab, mut own) = (lab.clone(), random.fork());
        let here = lab.clone();
        workers.push(spawn(move || {
            let limit = Duration::from_millis(own.u64(1..6));
            if own.u8(..4) == 0 {
                let done = timeout(limit, || operate(&lab, worker, &mut own));
                assert!(done.unwrap_or(0) <= 1);
            } else {
                assert!(
                    operate(&lab, worker, &mut own) <= 1,
                    "exactly one takes place"
                );
            }
        }));
        match random.u8(..8) {
            0 => sleep(Duration::from_millis(2)),
            1 => workers[random.usize(..workers.len())].cancel(),
            2 | 3 => yield_now(),
            4 => {
                settle();
                here.check_that_all_wait_in_vain();
            }
            _ => {}
        }
        workers.retain(|worker| !worker.is_finished());
        if workers.len() > 20 {
            workers.drain(..10).for_each(|worker| worker.cancel());
        }
    }
    settle();
    lab.check_that_all_wait_in_vain();
    workers.iter().for_each(JoinHandle::cancel);
    settle();
    let books = lab.books.clone();
    assert!(workers.iter().all(JoinHandle::is_finished));
    drop(workers);
    assert_eq!(Rc::strong_count(&lab), 1);
    drop(lab);
    let fates = books.fates.borrow();
    assert!(
        fates.values().all(|&fate| fate != Fate::Made),
        "an item is lost"
    );
    assert!(fates.values().any(|&fate| fate == Fate::Received));
    assert!(books.made_by_select.get() > 0);
}

#[test]
fn each_item_goes_one_way_and_nobody_waits_in_vain() {
    for_steps(500, random_run);
}
