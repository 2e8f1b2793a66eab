//! Very many coroutines.

use std::cell::Cell;
use std::rc::Rc;

use corobin::{JoinHandle, park, run, spawn, yield_now};

#[test]
fn smoke() {
    run(|| {
        let handles: Vec<JoinHandle<()>> = (0..1000).map(|_| spawn(park)).collect();
        yield_now();
        handles
            .iter()
            .for_each(|handle| handle.coroutine().unpark());
        corobin::gather(handles).unwrap();
    });
}

#[test]
fn a_hundred_thousand_parked_at_once_and_woken() {
    const COUNT: u32 = 100_000;
    run(|| {
        let parked = Rc::new(Cell::new(0));
        let handles: Vec<JoinHandle<u32>> = (0..COUNT)
            .map(|id| {
                let parked = parked.clone();
                spawn(move || {
                    parked.set(parked.get() + 1);
                    park();
                    parked.set(parked.get() - 1);
                    id
                })
            })
            .collect();
        yield_now();
        assert_eq!(parked.get(), COUNT);
        handles
            .iter()
            .rev()
            .for_each(|handle| handle.coroutine().unpark());
        for (id, handle) in (0..COUNT).zip(handles) {
            assert_eq!(handle.join().unwrap(), id);
        }
        assert_eq!(parked.get(), 0);
    });
}

#[test]
fn a_million_run_through_in_waves() {
    run(|| {
        let count = Rc::new(Cell::new(0));
        for _ in 0..100 {
            for _ in 0..10_000 {
                let count = count.clone();
                drop(spawn(move || count.set(count.get() + 1)));
            }
            yield_now();
        }
        assert_eq!(count.get(), 1_000_000);
        assert_eq!(Rc::strong_count(&count), 1);
    });
}

#[test]
fn thousands_cancelled_by_the_end_of_the_run() {
    let token = Rc::new(());
    run(|| {
        for _ in 0..20_000 {
            let token = token.clone();
            drop(spawn(move || {
                let _token = token;
                park();
            }));
        }
        yield_now();
        assert_eq!(Rc::strong_count(&token), 20_001);
        for _ in 0..20_000 {
            let token = token.clone();
            drop(spawn(move || drop(token)));
        }
    });
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn long_chain_of_joins() {
    fn chain(length: u32) -> JoinHandle<u32> {
        spawn(move || match length {
            0 => 0,
            _ => chain(length - 1).join().unwrap() + 1,
        })
    }
    assert_eq!(run(|| chain(10_000).join().unwrap()), 10_000);
}

#[test]
fn ring_of_unparks() {
    const SIZE: usize = 100;
    run(|| {
        let hops = Rc::new(Cell::new(0));
        let ring: Rc<std::cell::RefCell<Vec<corobin::Coroutine>>> = Rc::default();
        let handles: Vec<_> = (0..SIZE)
            .map(|index| {
                let (ring, hops) = (ring.clone(), hops.clone());
                spawn(move || {
                    for _ in 0..100 {
                        park();
                        hops.set(hops.get() + 1);
                        ring.borrow()[(index + 1) % SIZE].unpark();
                    }
                })
            })
            .collect();
        ring.borrow_mut()
            .extend(handles.iter().map(|handle| handle.coroutine().clone()));
        ring.borrow()[0].unpark();
        corobin::gather(handles).unwrap();
        assert_eq!(hops.get(), SIZE * 100);
    });
}
