//! `select!` in every form that crossbeam-channel's documentation shows.

use std::time::Duration;

use corobin::sync::{RecvError, SendError, channel, unbounded};
use corobin::{Runtime, run, select, sleep, spawn};

#[test]
fn crossbeam_s_own_examples() {
    run(|| {
        let (s1, r1) = unbounded();
        let (s2, r2) = unbounded();
        s1.send(10).unwrap();
        // Since both operations are initially ready, a random one will be executed.
        select! {
            recv(r1) -> msg => assert_eq!(msg, Ok(10)),
            send(s2, 20) -> res => {
                assert_eq!(res, Ok(()));
                assert_eq!(r2.recv(), Ok(20));
            }
        }
    });
    run(|| {
        let (_s1, r1) = unbounded::<i32>();
        let (_s2, r2) = unbounded::<i32>();
        let mut hit = false;
        select! {
            recv(r1) -> msg => println!("{:?}", msg),
            recv(r2) -> msg => println!("{:?}", msg),
            default => hit = true,
        }
        assert!(hit);
        let mut hit = false;
        select! {
            recv(r1) -> _ => {}
            default() => hit = true
        }
        assert!(hit);
    });
    Runtime::builder()
        .virtual_time(true)
        .build()
        .unwrap()
        .run(|| {
            let (s1, r1) = unbounded::<i32>();
            let (_s2, r2) = unbounded::<i32>();
            spawn(move || {
                sleep(Duration::from_secs(1));
                s1.send(10).unwrap();
            });
            select! {
                recv(r1) -> _msg => panic!(),
                recv(r2) -> _msg => panic!(),
                default(Duration::from_millis(100)) => println!("timed out"),
            }
            // Optional receiver and the like: any expression.
            let ends = [&r1];
            select! {
                recv(ends[0]) -> msg => assert_eq!(msg.unwrap(), 10),
                recv(&r2) -> _ => panic!(),
            }
        });
}

#[test]
fn values_and_control_flow() {
    fn early() -> Result<i32, RecvError> {
        let (s, r) = unbounded();
        s.send(5).unwrap();
        let v = select! {
            recv(r) -> v => v?,
        };
        Ok(v)
    }
    assert_eq!(run(early), Ok(5));
    fn early_return() -> i32 {
        let (s, r) = unbounded::<i32>();
        drop(s);
        loop {
            select! {
                recv(r) -> m => match m {
                    Ok(_) => continue,
                    Err(RecvError) => break,
                },
            }
        }
        let (_s, r) = unbounded::<i32>();
        select! {
            recv(r) -> _ => {}
            default => return 7,
        };
        8
    }
    assert_eq!(run(early_return), 7);
    run(|| {
        let (s, r) = channel::<String>(1);
        let moved = String::from("moved");
        let got = select! {
            send(s, moved) -> res => res,
        };
        assert_eq!(got, Ok(()));
        assert_eq!(r.recv().unwrap(), "moved");
        drop(r);
        let got = select! { send(s, "again".into()) -> res => res };
        assert_eq!(got, Err(SendError("again".to_string())));
        // Patterns.
        let (s, r) = unbounded::<(i32, i32)>();
        s.send((1, 2)).unwrap();
        select! {
            recv(r) -> mut m => { m = m.map(|(a, b)| (b, a)); assert_eq!(m, Ok((2, 1))) }
        }
        select! { recv(r) -> _ => unreachable!(), default => {} };
        select! { default => {} }
        select! { default(Duration::ZERO) => {} }
    });
}

#[test]
fn trailing_commas_and_blocks() {
    run(|| {
        let (s, r) = unbounded::<i32>();
        s.send(1).unwrap();
        s.send(2).unwrap();
        s.send(3).unwrap();
        select! {
            recv(r,) -> m => { let _ = m; }
            recv(r) -> _ => {},
        }
        select! {
            recv(r) -> m => m.unwrap(),
            send(s, 4,) -> res => { res.unwrap(); 4 }
            default(Duration::from_secs(1),) => 0,
        };
        let _unit: () = select! { recv(r) -> _m => () };
    });
}

#[test]
fn mixed_types_and_many_arms() {
    run(|| {
        let (s0, r0) = unbounded::<u8>();
        let (_s1, r1) = unbounded::<String>();
        let (_s2, r2) = unbounded::<Vec<i32>>();
        let (s3, _r3) = channel::<Box<dyn Fn()>>(0);
        let (_s4, r4) = unbounded::<()>();
        let (_s5, r5) = unbounded::<()>();
        let (_s6, r6) = unbounded::<()>();
        let (_s7, r7) = unbounded::<()>();
        let (_s8, r8) = unbounded::<()>();
        let (_s9, r9) = unbounded::<()>();
        spawn(move || s0.send(9));
        let got = select! {
            recv(r1) -> _ => 1,
            recv(r2) -> _ => 2,
            send(s3, Box::new(|| ())) -> _ => 3,
            recv(r4) -> _ => 4,
            recv(r5) -> _ => 5,
            recv(r6) -> _ => 6,
            recv(r7) -> _ => 7,
            recv(r8) -> _ => 8,
            recv(r9) -> _ => 9,
            recv(r0) -> x => x.unwrap() + 100,
            default(Duration::MAX) => 0,
        };
        assert_eq!(got, 109);
    });
}

fn never() -> i32 {
    panic!("a message was made for nothing")
}

#[test]
fn a_message_is_made_only_for_its_send() {
    run(|| {
        let (s, _r) = channel::<i32>(0);
        let (t, u) = unbounded::<i32>();
        t.send(1).unwrap();
        select! {
            send(s, never()) -> _ => unreachable!(),
            recv(u) -> m => assert_eq!(m, Ok(1)),
        }
        select! {
            send(s, never()) -> _ => unreachable!(),
            default => {}
        }
    });
}

#[test]
fn never_pairs_with_itself() {
    let mut rt = Runtime::builder().virtual_time(true).build().unwrap();
    rt.run(|| {
        let (s, r) = channel::<i32>(0);
        let got = select! {
            send(s, 1) -> _ => 1,
            recv(r) -> _ => 2,
            default(Duration::from_secs(1)) => 3,
        };
        assert_eq!(got, 3);
    });
}

#[test]
fn two_selects_pair() {
    for seed in 0..20 {
        let mut rt = Runtime::builder().schedule_seed(seed).build().unwrap();
        rt.run(|| {
            let (s, r) = channel::<i32>(0);
            let (s2, r2) = (s.clone(), r.clone());
            let arm = |s: &corobin::sync::Sender<i32>, r: &corobin::sync::Receiver<i32>, me| {
                select! {
                    send(s, me) -> res => { res.unwrap(); None }
                    recv(r) -> m => Some(m.unwrap()),
                }
            };
            let h = spawn(move || arm(&s2, &r2, 2));
            let a = arm(&s, &r, 1);
            let b = h.join().unwrap();
            assert!(
                matches!((a, b), (None, Some(1)) | (Some(2), None)),
                "{a:?} {b:?}"
            );
        });
    }
}

#[test]
fn a_message_that_panics_or_suspends() {
    run(|| {
        let (s, r) = channel::<i32>(0);
        let h = spawn({
            let r = r.clone();
            move || r.recv()
        });
        corobin::yield_now();
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            select! { send(s, if true { panic!("no message") } else { 1 }) -> _ => {} }
        }));
        assert!(caught.is_err());
        s.send(5).unwrap();
        assert_eq!(h.join().unwrap(), Ok(5));
        let h = spawn(move || r.recv());
        corobin::yield_now();
        select! { send(s, { sleep(Duration::from_millis(1)); 6 }) -> res => res.unwrap() }
        assert_eq!(h.join().unwrap(), Ok(6));
    });
}
