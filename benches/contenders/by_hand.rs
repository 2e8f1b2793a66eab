//! A yield and a hand-over as corobin promises them, written by hand for one program each: every
//! question that a promise asks for, every note that a cancel or a report would need, in as few
//! steps as we know, and no library around it. What is asked never happens here, so nothing is
//! there for it. What lies ahead is asked of the cache as in corobin. For x86-64.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use std::cell::Cell;
use std::hint::black_box;
use std::panic::Location;
use std::ptr;
use std::thread::panicking;
use std::time::{Duration, Instant};

use super::hand_over::exchange;
use super::raw::Mapping;

/// One flow of control, at the top of its stack.
#[derive(Default)]
struct Seat {
    state: Cell<usize>,
    frame: Cell<usize>,
    /// What a report would tell.
    wait: Cell<Option<ptr::NonNull<Wait>>>,
}

const PARKED: usize = 1;
/// A cancel is to be raised.
const DUE: usize = 2;

/// What is waited for, where, and since when: on the stack of who waits.
struct Wait {
    _what: *const Channel,
    _kind: &'static str,
    _at: &'static Location<'static>,
    _since: u64,
}

/// In a queue, on the stack of who waits.
#[derive(Default)]
struct Node {
    seat: Cell<Option<&'static Seat>>,
    next: Cell<Option<ptr::NonNull<Node>>>,
    previous: Cell<Option<ptr::NonNull<Node>>>,
    given: Cell<Option<u64>>,
}

/// Who is ready: the seat, and the frame that it has left.
type Slot = (Cell<Option<&'static Seat>>, Cell<usize>);

struct Scheduler {
    slots: Box<[Slot]>,
    mask: Cell<usize>,
    head: Cell<usize>,
    tail: Cell<usize>,
    /// The count at which the loop must look outside; 0 while anything is special.
    short_until: Cell<usize>,
    specials: Cell<usize>,
    current: Cell<Option<&'static Seat>>,
    now: Cell<u64>,
}

/// Of capacity 1.
struct Channel {
    buffered: Cell<usize>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    first: Cell<Option<ptr::NonNull<Node>>>,
    last: Cell<Option<ptr::NonNull<Node>>>,
    sending: Cell<Option<ptr::NonNull<Node>>>,
}

thread_local! {
    static SCHEDULER: Cell<Option<&'static Scheduler>> = const { Cell::new(None) };
    /// Timeouts and the like that are open.
    static FRAMES: Cell<usize> = const { Cell::new(0) };
}

/// Fewer have their frames in the first cache, and nothing is asked for ahead.
const FEW: usize = 256;
/// More have their next lines asked for too.
const CROWD: usize = 4096;

#[cold]
#[inline(never)]
fn apart() -> ! {
    unreachable!("nothing special happens here")
}

/// What is `yes` here; elsewhere there would be a longer way.
#[inline(always)]
fn expect(yes: bool) {
    if !yes {
        apart()
    }
}

#[inline(always)]
fn found<T>(value: Option<T>) -> T {
    match value {
        Some(value) => value,
        None => apart(),
    }
}

#[inline(always)]
fn fetch(address: usize) {
    // SAFETY: asking for a line has no effect on what there is, wherever it lies.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address as *const i8) }
}

impl Scheduler {
    fn new(alive: usize) -> Scheduler {
        let count = alive.next_power_of_two().max(64);
        Scheduler {
            slots: (0..count).map(|_| Slot::default()).collect(),
            mask: Cell::new(count - 1),
            head: Cell::new(0),
            tail: Cell::new(0),
            short_until: Cell::new(usize::MAX),
            specials: Cell::new(0),
            current: Cell::new(None),
            now: Cell::new(1),
        }
    }

    /// Asks the cache for what is needed soon.
    #[inline(always)]
    fn fetch_ahead(&self, head: usize) {
        if self.mask.get() >= FEW {
            fetch(self.slot(head + 16).1.get());
            if self.mask.get() >= CROWD {
                fetch(self.slot(head + 8).1.get() + 64);
            }
        }
    }

    #[inline(always)]
    fn slot(&self, count: usize) -> &Slot {
        // SAFETY: the mask is one less than the number of slots.
        unsafe { self.slots.get_unchecked(count & self.mask.get()) }
    }

    fn push(&self, seat: &'static Seat, frame: usize) {
        self.slot(self.tail.get()).0.set(Some(seat));
        self.slot(self.tail.get()).1.set(frame);
        self.tail.set(self.tail.get() + 1);
    }

    #[inline(always)]
    fn wake(&self, node: &Node) {
        let seat = found(node.seat.get());
        expect(seat.state.get() == PARKED);
        seat.state.set(0);
        expect(self.tail.get() - self.head.get() <= self.mask.get());
        self.push(seat, seat.frame.get());
    }

    /// The next in line, which is running from now on.
    #[inline(always)]
    fn next(&self) -> usize {
        let head = self.head.get();
        expect(head < self.short_until.get() && head != self.tail.get());
        expect(FRAMES.get() == 0 && !panicking());
        let (seat, frame) = self.slot(head);
        let (seat, frame) = (seat.get(), frame.get());
        // It has started.
        expect(frame != 0);
        self.fetch_ahead(head);
        self.head.set(head + 1);
        self.current.set(seat);
        frame
    }

    #[inline(always)]
    fn yield_now() {
        let scheduler = found(SCHEDULER.get());
        let own = scheduler.slot(scheduler.tail.get());
        let running = scheduler.current.get();
        let next = scheduler.next();
        own.0.set(running);
        scheduler.tail.set(scheduler.tail.get() + 1);
        // SAFETY: the frame was left by this very code, or prepared, and is entered once.
        unsafe { exchange(own.1.as_ptr().cast(), next as *mut usize) };
        expect(scheduler.specials.get() == 0);
    }
}

impl Channel {
    fn new() -> Channel {
        Channel {
            buffered: Cell::new(0),
            senders: Cell::new(1),
            receivers: Cell::new(1),
            first: Cell::new(None),
            last: Cell::new(None),
            sending: Cell::new(None),
        }
    }

    /// To who waits first: there always is somebody.
    #[inline(always)]
    fn send(&self, number: u64) {
        let scheduler = found(SCHEDULER.get());
        expect(scheduler.specials.get() == 0);
        // SAFETY: a node in a queue is on the stack of who waits.
        let node = unsafe { found(self.first.get()).as_ref() };
        scheduler.wake(node);
        self.first.set(node.next.get());
        match node.next.get() {
            // SAFETY: as above.
            Some(next) => unsafe { next.as_ref() }.previous.set(None),
            None => self.last.set(None),
        }
        node.given.set(Some(number));
    }

    /// To all who wait.
    fn send_all(&self, number: u64) {
        let scheduler = found(SCHEDULER.get());
        self.last.set(None);
        let mut place = self.first.take();
        while let Some(own) = place {
            // SAFETY: as in `send`.
            let node = unsafe { own.as_ref() };
            place = node.next.get();
            if let Some(next) = place {
                // Stacks that came one after another lie at equal distances.
                let ahead = next
                    .addr()
                    .get()
                    .wrapping_sub(own.addr().get())
                    .wrapping_mul(8);
                let seat = ptr::from_ref(found(node.seat.get())).addr();
                fetch(own.addr().get().wrapping_add(ahead));
                fetch(seat.wrapping_add(ahead));
            }
            scheduler.wake(node);
            node.given.set(Some(number));
        }
    }

    #[inline(always)]
    #[track_caller]
    fn recv(&self) -> u64 {
        let scheduler = found(SCHEDULER.get());
        expect(scheduler.specials.get() == 0);
        expect(self.buffered.get() == 0 && self.sending.get().is_none());
        expect(self.senders.get() > 0 && self.receivers.get() > 0);
        let seat = found(scheduler.current.get());
        let node = Node::default();
        node.seat.set(Some(seat));
        let place = Some(ptr::NonNull::from(&node));
        if self.first.get().is_none() {
            self.first.set(place);
        } else {
            let last = self.last.get().or(self.first.get());
            // SAFETY: as in `send`.
            unsafe { found(last).as_ref() }.next.set(place);
            node.previous.set(last);
            self.last.set(place);
        }
        seat.state.set(seat.state.get() | PARKED);
        let wait = Wait {
            _what: self,
            _kind: "an item",
            _at: Location::caller(),
            _since: scheduler.now.get(),
        };
        seat.wait.set(Some(ptr::NonNull::from(&wait)));
        let next = scheduler.next();
        // SAFETY: as in `yield_now`.
        unsafe { exchange(seat.frame.as_ptr().cast(), next as *mut usize) };
        expect(seat.state.get() & DUE == 0);
        seat.wait.set(None);
        found(node.given.get())
    }
}

/// Where the other stacks begin: with the function and its argument on top.
#[unsafe(naked)]
unsafe extern "sysv64" fn entry() -> ! {
    std::arch::naked_asm!("pop rdi", "pop rax", "call rax", "ud2")
}

/// Lets `body(shared)` stand on a stack of its own behind those who are ready.
///
/// # Safety
/// `base` is the end of a stack that nobody uses, and both outlive the last step.
unsafe fn prepare<T>(
    scheduler: &Scheduler,
    base: usize,
    body: unsafe extern "sysv64" fn(&T) -> !,
    shared: &T,
) {
    let seat = (base - 64) as *mut Seat;
    let top = (base - 184) as *mut usize;
    // SAFETY: inside of the stack. Three words are popped, and the call then gives `body` the
    // alignment that the ABI wants.
    unsafe {
        seat.write(Seat::default());
        top.write(entry as *const () as usize);
        top.add(1).write(ptr::from_ref(shared).addr());
        top.add(2).write(body as *const () as usize);
        scheduler.push(&*seat, top.addr());
    }
}

/// Runs `program` on the thread's own stack, in turn with so many others that `body` runs on,
/// which are forgotten after it.
fn among<T>(
    others: usize,
    body: unsafe extern "sysv64" fn(&T) -> !,
    shared: &T,
    program: impl FnOnce(),
) {
    let mapping = Mapping::new(others);
    let scheduler: &Scheduler = Box::leak(Box::new(Scheduler::new(others + 1)));
    for (index, base) in mapping.bases().enumerate() {
        // Different cache sets for neighbours, as in corobin.
        // SAFETY: a stack of our own, which outlives the program.
        unsafe { prepare(scheduler, base - index % 32 * 64, body, shared) };
    }
    scheduler.current.set(Some(Box::leak(Box::default())));
    SCHEDULER.set(Some(scheduler));
    program();
    SCHEDULER.set(None);
}

struct Turns {
    rounds: u64,
    /// How many of the others have had all of theirs.
    ended: Cell<usize>,
}

unsafe extern "sysv64" fn take_turns(turns: &Turns) -> ! {
    (0..turns.rounds).for_each(|_| Scheduler::yield_now());
    turns.ended.set(turns.ended.get() + 1);
    loop {
        Scheduler::yield_now();
    }
}

/// So many, of whom each yields to the others so many times.
pub fn yields(alive: usize, rounds: u64) -> Duration {
    let others = alive - 1;
    let turns = Turns {
        rounds,
        ended: Cell::new(0),
    };
    let mut took = Duration::ZERO;
    among(others, take_turns, black_box(&turns), || {
        // All have begun then.
        Scheduler::yield_now();
        let begin = Instant::now();
        (0..rounds).for_each(|_| Scheduler::yield_now());
        took = begin.elapsed();
    });
    assert_eq!(turns.ended.get(), others);
    took
}

struct Pair {
    ping: Channel,
    pong: Channel,
}

unsafe extern "sysv64" fn echo(pair: &Pair) -> ! {
    loop {
        let number = pair.ping.recv();
        pair.pong.send(number + 1);
    }
}

/// So many times a number goes over and another one comes back.
pub fn round_trips(rounds: u64) -> Duration {
    let pair = Pair {
        ping: Channel::new(),
        pong: Channel::new(),
    };
    let pair = black_box(&pair);
    let mut took = Duration::ZERO;
    among(1, echo, pair, || {
        // The other one waits then.
        Scheduler::yield_now();
        let begin = Instant::now();
        for number in 0..rounds {
            pair.ping.send(number);
            assert_eq!(pair.pong.recv(), number + 1);
        }
        took = begin.elapsed();
    });
    took
}

struct Crowd {
    event: Channel,
    woken: Cell<u64>,
}

unsafe extern "sysv64" fn wait_again(crowd: &Crowd) -> ! {
    loop {
        crowd.event.recv();
        crowd.woken.set(crowd.woken.get() + 1);
    }
}

/// Wakes `n` that wait for an event, so many times: from the wake until all have run.
pub fn event(n: usize, rounds: u64) -> Duration {
    let crowd = Crowd {
        event: Channel::new(),
        woken: Cell::new(0),
    };
    let crowd = black_box(&crowd);
    let mut took = Duration::ZERO;
    among(n, wait_again, crowd, || {
        // All of them wait then.
        Scheduler::yield_now();
        let begin = Instant::now();
        for round in 1..=rounds {
            crowd.event.send_all(round);
            Scheduler::yield_now();
            assert_eq!(crowd.woken.get(), round * n as u64);
        }
        took = begin.elapsed();
    });
    took
}
