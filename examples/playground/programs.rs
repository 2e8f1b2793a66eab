//! The course's programs, on the real engine. Each is short enough to be followed line by line.

use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use corobin::net::UnixStream;
use corobin::sync::{Mutex, channel};
use corobin::{Builder, JoinHandle, gather, park, scope, sleep, timeout, yield_now};

pub struct Program {
    /// The chapter it belongs to, which begins the name of its page.
    pub chapter: &'static str,
    pub name: &'static str,
    pub title: &'static str,
    pub watch: &'static str,
    pub body: fn(),
}

pub const ALL: [Program; 8] = [
    Program {
        chapter: "03",
        name: "round_robin",
        title: "Round robin",
        watch: "who yields goes to the back of the queue",
        body: round_robin,
    },
    Program {
        chapter: "04",
        name: "sleep",
        title: "Sleep",
        watch: "sleepers are in no queue; the loop sleeps once for all of them",
        body: sleepers,
    },
    Program {
        chapter: "05",
        name: "channel",
        title: "A channel with room for one",
        watch: "the baker waits for the shop, and the shop for the baker",
        body: bakery,
    },
    Program {
        chapter: "05",
        name: "lock",
        title: "A lock, handed over",
        watch: "who waits first has it first; it is never free in between",
        body: lock,
    },
    Program {
        chapter: "05",
        name: "deadlock",
        title: "A deadlock",
        watch: "in the end all wait, and nobody can wake anybody",
        body: deadlock,
    },
    Program {
        chapter: "06",
        name: "socket",
        title: "A socket",
        watch: "a read tries, parks, and is woken when the kernel has something",
        body: socket,
    },
    Program {
        chapter: "09",
        name: "cancel",
        title: "A cancel and a limit",
        watch: "a cancel makes who waits ready, to unwind",
        body: cancel,
    },
    Program {
        chapter: "10",
        name: "gather",
        title: "Gather",
        watch: "results come in the order of the handles, not of the ends",
        body: gathered,
    },
];

#[track_caller] // so that the pages show the line of the program
fn named<T: 'static>(name: &str, body: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    Builder::new().name(name).spawn(body).expect("a stack")
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn round_robin() {
    let painters = ["Ann", "Bob", "Cid"].map(|name| {
        named(name, || {
            for _stroke in 0..3 {
                yield_now();
            }
        })
    });
    gather(painters).expect("nobody fails");
}

fn sleepers() {
    let kitchen = [("egg", 3), ("tea", 2), ("noodles", 3)].map(|(name, minutes)| {
        named(name, move || {
            sleep(ms(minutes));
        })
    });
    gather(kitchen).expect("nobody fails");
}

fn bakery() {
    let (belt, shop) = channel(1);
    let baker = named("baker", move || {
        for loaf in 1..=4 {
            belt.send(loaf).expect("the shop is open");
        }
    });
    let shop = named("shop", move || shop.iter().sum::<u32>());
    baker.join().expect("nobody fails");
    assert_eq!(shop.join().expect("nobody fails"), 10);
}

fn lock() {
    let pen = Rc::new(Mutex::new(String::new()));
    let writers = ["Ann", "Bob", "Cid"].map(|name| {
        let pen = Rc::clone(&pen);
        named(name, move || {
            let mut text = pen.lock();
            yield_now(); // the others come, and wait
            text.push_str(name);
        })
    });
    gather(writers).expect("nobody fails");
}

fn deadlock() {
    let (left, right) = (Rc::new(Mutex::new(())), Rc::new(Mutex::new(())));
    let (first, second) = (Rc::clone(&right), Rc::clone(&left));
    let ann = named("Ann", move || take_both(&left, &right));
    let bob = named("Bob", move || take_both(&first, &second));
    let _ = (ann.join(), bob.join());
}

fn take_both(one: &Mutex<()>, other: &Mutex<()>) {
    let _one = one.lock();
    yield_now();
    let _other = other.lock();
}

fn socket() {
    let (mut ours, mut theirs) = UnixStream::pair().expect("two sockets");
    let server = named("server", move || {
        let mut word = [0; 16];
        while let Ok(n @ 1..) = ours.read(&mut word) {
            ours.write_all(&word[..n].to_ascii_uppercase())
                .expect("the guest is there");
        }
    });
    let guest = named("guest", move || {
        let mut answer = [0; 16];
        for word in ["hello", "bye"] {
            theirs
                .write_all(word.as_bytes())
                .expect("the server is there");
            let n = theirs.read(&mut answer).expect("an answer");
            assert_eq!(answer[..n], *word.to_uppercase().as_bytes());
        }
    });
    gather([server, guest]).expect("nobody fails");
}

fn cancel() {
    let waits = named("waits for ever", || {
        park();
    });
    let limited = named("has a limit", || timeout(ms(2), park).is_err());
    scope(|s| {
        s.spawn(|| sleep(ms(1)));
    });
    waits.cancel();
    assert!(waits.join().is_err());
    assert!(limited.join().expect("it catches its limit"));
}

fn gathered() {
    let pages = [("slow", 3), ("fast", 1)].map(|(name, time)| {
        named(name, move || {
            sleep(ms(time));
            name
        })
    });
    assert_eq!(gather(pages).expect("nobody fails"), ["slow", "fast"]);
}
