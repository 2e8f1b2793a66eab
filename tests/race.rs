//! `race`: who wins, what becomes of the losers, panics.

use std::cell::{Cell, RefCell};
use std::panic::{catch_unwind, panic_any};
use std::time::Duration;

use corobin::{is_cancel, race, run, sleep, yield_now};

#[path = "common/on_drop.rs"]
mod on_drop;
use on_drop::OnDrop;
#[path = "common/virtual_time.rs"]
mod virtual_time;
use virtual_time::in_virtual_time;
#[path = "common/unwinding.rs"]
mod unwinding;
use unwinding::payload_of;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_tuple_an_array_and_a_vec() {
    in_virtual_time(|| {
        let arm = |n: u64| {
            move || {
                sleep(ms(n));
                n
            }
        };
        assert_eq!(race((arm(2),)), 2);
        assert_eq!(race((arm(3), arm(1), arm(2))), 1);
        assert_eq!(race([arm(3), arm(2)]), 2);
        assert_eq!(race(vec![arm(5), arm(4)]), 4);
    });
}

#[test]
fn without_a_closure_it_panics() {
    fn says_so(f: impl FnOnce() -> u32) {
        let payload = payload_of(|| run(f));
        let text = payload.downcast_ref::<&str>().unwrap();
        assert!(text.contains("at least one closure"), "{text}");
    }
    type Never = fn() -> u32;
    says_so(|| race(()));
    says_so(|| race([] as [Never; 0]));
    says_so(|| race(Vec::<Never>::new()));
}

#[test]
fn the_losers_are_cancelled_and_waited_for() {
    in_virtual_time(|| {
        let log = RefCell::new(Vec::new());
        let loser = |name: &'static str, ends_after: u64| {
            let log = &log;
            move || {
                let _last = OnDrop(move || {
                    // The race waits for this too.
                    sleep(ms(ends_after));
                    log.borrow_mut().push(name);
                });
                let raised = catch_unwind(|| sleep(ms(1000))).unwrap_err();
                assert!(is_cancel(&*raised));
                std::panic::resume_unwind(raised);
            }
        };
        let start = corobin::now();
        race((loser("slow", 30), || sleep(ms(10)), loser("quick", 20)));
        assert_eq!(*log.borrow(), ["quick", "slow"]);
        assert_eq!(corobin::now() - start, ms(40));
    });
}

#[test]
fn a_panic_ends_the_others_and_is_raised_again_as_it_was() {
    let ended = Cell::new(false);
    let payload = payload_of(|| {
        run(|| {
            race((
                || {
                    let _last = OnDrop(|| {
                        yield_now();
                        ended.set(true);
                    });
                    corobin::park();
                    1
                },
                || {
                    yield_now();
                    panic_any(7_u8)
                },
            ))
        })
    });
    assert_eq!(payload.downcast_ref(), Some(&7_u8));
    assert!(ended.get());
}
