//! Coroutines and a tokio runtime on another thread talk through tokio's channels.

use corobin::{JoinError, block_on, run, scope, spawn, yield_now};
use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

/// Runs `work` on a thread with a tokio runtime of its own.
fn tokio_thread<T, F>(work: impl FnOnce() -> F + Send + 'static) -> thread::JoinHandle<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(work())
    })
}

#[test]
fn smoke() {
    let (sender, receiver) = oneshot::channel();
    let thread = tokio_thread(|| async { sender.send(5).unwrap() });
    run(|| assert_eq!(block_on(receiver), Ok(5)));
    thread.join().unwrap();
}

#[test]
fn a_oneshot_in_each_direction() {
    let (ask, asked) = oneshot::channel::<u32>();
    let (answer, answered) = oneshot::channel::<u32>();
    let thread = tokio_thread(|| async { answer.send(asked.await.unwrap() + 1).unwrap() });
    run(|| {
        let waiting = spawn(move || block_on(answered).unwrap());
        yield_now();
        ask.send(6).unwrap();
        assert_eq!(waiting.join().unwrap(), 7);
    });
    thread.join().unwrap();
}

#[test]
fn a_oneshot_whose_sender_is_gone() {
    let (sender, receiver) = oneshot::channel::<u32>();
    let thread = tokio_thread(|| async { drop(sender) });
    run(|| assert!(block_on(receiver).is_err()));
    thread.join().unwrap();
}

#[test]
fn a_full_channel_holds_either_side_back() {
    const ITEMS: u32 = 2000;
    let (to_tokio, mut at_tokio) = mpsc::channel::<u32>(2);
    let (to_coroutine, mut at_coroutine) = mpsc::channel::<u32>(2);
    let thread = tokio_thread(|| async move {
        while let Some(item) = at_tokio.recv().await {
            to_coroutine.send(item * 2).await.unwrap();
        }
    });
    run(|| {
        let sender = spawn(move || {
            for item in 0..ITEMS {
                block_on(to_tokio.send(item)).unwrap();
            }
        });
        let mut got = Vec::new();
        while let Some(item) = block_on(at_coroutine.recv()) {
            got.push(item);
        }
        sender.join().unwrap();
        assert_eq!(got, (0..ITEMS).map(|n| n * 2).collect::<Vec<_>>());
    });
    thread.join().unwrap();
}

#[test]
fn many_coroutines_wait_on_one_runtime() {
    run(|| {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..200).map(|_| oneshot::channel::<usize>()).unzip();
        let waiting: Vec<_> = receivers
            .into_iter()
            .map(|receiver| spawn(move || block_on(receiver).unwrap()))
            .collect();
        yield_now();
        let thread = tokio_thread(|| async {
            for (n, sender) in senders.into_iter().enumerate().rev() {
                sender.send(n).unwrap();
                if n % 10 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
        for (n, child) in waiting.into_iter().enumerate() {
            assert_eq!(child.join().unwrap(), n);
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_cancelled_receiver_loses_no_item() {
    run(|| {
        let (sender, mut receiver) = mpsc::channel::<u32>(4);
        scope(|s| {
            let waiting = s.spawn(|| block_on(receiver.recv()));
            yield_now();
            waiting.cancel();
            assert!(matches!(waiting.join(), Err(JoinError::Cancelled)));
        });
        let thread = tokio_thread(|| async move { sender.send(3).await.unwrap() });
        assert_eq!(block_on(receiver.recv()), Some(3));
        assert_eq!(block_on(receiver.recv()), None);
        thread.join().unwrap();
    });
}

#[test]
fn a_cancelled_waiter_gives_its_turn_on() {
    run(|| {
        let semaphore = Semaphore::new(0);
        let got = Cell::new(0);
        scope(|s| {
            let waiters: Vec<_> = (0..3)
                .map(|n| {
                    let (semaphore, got) = (&semaphore, &got);
                    s.spawn(move || {
                        block_on(semaphore.acquire()).unwrap().forget();
                        got.set(n);
                    })
                })
                .collect();
            yield_now();
            waiters[0].cancel();
            yield_now();
            semaphore.add_permits(1);
            while got.get() == 0 {
                yield_now();
            }
            assert_eq!(got.get(), 1);
            s.cancel();
        });
    });
}

#[test]
fn coroutines_of_one_run_share_a_notify() {
    run(|| {
        let notify = Rc::new(Notify::new());
        let log = Rc::new(Cell::new(0));
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let (notify, log) = (notify.clone(), log.clone());
                spawn(move || {
                    block_on(notify.notified());
                    log.set(log.get() + 1);
                })
            })
            .collect();
        yield_now();
        notify.notify_one();
        yield_now();
        yield_now();
        assert_eq!(log.get(), 1);
        notify.notify_waiters();
        for child in waiting {
            child.join().unwrap();
        }
        assert_eq!(log.get(), 10);
    });
}
