//! The names, signatures and trait impls of `corobin::sync`, used in every form
//! that a user of std or crossbeam would write.

use std::cell::Cell;
use std::error::Error;
use std::fmt::{Debug, Display};
use std::iter::FusedIterator;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use corobin::sync::{
    self, Barrier, BarrierWaitResult, Condvar, Event, Mutex, MutexGuard, OnceCell, OneReceiver,
    OneSender, Receiver, RecvError, RecvTimeoutError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    Semaphore, SemaphorePermit, SendError, SendTimeoutError, Sender, TryRecvError, TrySendError,
    WaitGroup, WaitTimeoutResult, broadcast, channel, oneshot, unbounded, watch,
};
use corobin::{run, spawn};

fn is_error<E: Error + Debug + Display + PartialEq>() {}
fn is_debug<T: Debug + ?Sized>() {}
fn is_default<T: Default>() {}
fn is_clone<T: Clone>() {}
fn is_static_error<E: Error + 'static>(e: E) -> Box<dyn Error> {
    e.into()
}

fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe + ?Sized>() {}

/// Neither printable nor comparable.
struct Opaque;

/// Nor unwind safe.
type Shared = Rc<Cell<u32>>;

#[test]
fn what_is_unwind_safe_in_std_is_so_here() {
    is_unwind_safe::<Sender<Shared>>();
    is_unwind_safe::<Receiver<Shared>>();
    is_unwind_safe::<sync::Iter<'_, Shared>>();
    is_unwind_safe::<sync::TryIter<'_, Shared>>();
    is_unwind_safe::<sync::IntoIter<Shared>>();
    is_unwind_safe::<OneSender<Shared>>();
    is_unwind_safe::<OneReceiver<Shared>>();
    is_unwind_safe::<sync::BroadcastSender<Shared>>();
    is_unwind_safe::<sync::BroadcastReceiver<Shared>>();
    is_unwind_safe::<sync::WatchSender<Shared>>();
    is_unwind_safe::<sync::WatchReceiver<Shared>>();
    is_unwind_safe::<Mutex<Shared>>();
    is_unwind_safe::<Mutex<dyn Debug>>();
    is_unwind_safe::<MutexGuard<'_, Shared>>();
    is_unwind_safe::<RwLock<Shared>>();
    is_unwind_safe::<RwLock<dyn Debug>>();
    is_unwind_safe::<RwLockReadGuard<'_, u32>>();
    is_unwind_safe::<RwLockWriteGuard<'_, Shared>>();
    is_unwind_safe::<Condvar>();
    is_unwind_safe::<WaitTimeoutResult>();
    is_unwind_safe::<Barrier>();
    is_unwind_safe::<BarrierWaitResult>();
    is_unwind_safe::<Semaphore>();
    is_unwind_safe::<SemaphorePermit<'_>>();
    is_unwind_safe::<Event>();
    is_unwind_safe::<WaitGroup>();
    is_unwind_safe::<corobin::Coroutine>();
    run(|| {
        let (lock, condvar) = (Mutex::new(Shared::default()), Condvar::new());
        let (tx, rx) = channel(1);
        let caught = catch_unwind(|| {
            let guard = lock.lock();
            tx.send(Shared::clone(&guard)).unwrap();
            condvar.notify_one();
            panic!("with the lock");
        });
        assert!(caught.is_err());
        assert!(lock.try_lock().is_some(), "it was released");
        assert!(rx.try_recv().is_ok(), "it was sent");
    });
}

#[test]
fn errors_have_their_impls() {
    is_error::<SendError<i32>>();
    is_error::<RecvError>();
    is_error::<TrySendError<i32>>();
    is_error::<TryRecvError>();
    is_error::<RecvTimeoutError>();
    is_error::<SendTimeoutError<i32>>();
    is_clone::<RecvError>();
    is_clone::<TryRecvError>();
    is_clone::<RecvTimeoutError>();
    // As in std: errors print without asking what they hold.
    is_debug::<SendError<Opaque>>();
    is_debug::<TrySendError<Opaque>>();
    is_debug::<SendTimeoutError<Opaque>>();
    println!("{}", is_static_error(SendError(1)));
    println!("{}", is_static_error(TrySendError::Full(1)));
    println!("{}", is_static_error(TrySendError::Closed(1)));
    println!("{}", is_static_error(SendTimeoutError::Timeout(1)));
    println!("{}", is_static_error(SendTimeoutError::Closed(1)));
    println!("{}", is_static_error(RecvTimeoutError::Timeout));
    println!("{}", is_static_error(RecvTimeoutError::Closed));
    println!("{}", is_static_error(RecvError));
    println!("{}", is_static_error(TryRecvError::Empty));
    println!("{}", is_static_error(TryRecvError::Closed));
    let SendError(_back) = SendError(Opaque);
    fn both() -> Result<(), Box<dyn Error>> {
        let (s, r) = channel::<String>(1);
        drop(r);
        s.send("x".into())?;
        Ok(())
    }
    assert!(both().is_err());
}

#[test]
fn channel_types_have_their_impls() {
    is_clone::<Sender<Opaque>>();
    is_clone::<Receiver<Opaque>>();
    is_debug::<Sender<Opaque>>();
    is_debug::<Receiver<Opaque>>();
    is_debug::<OneSender<Opaque>>();
    is_debug::<OneReceiver<Opaque>>();
    run(|| {
        let (tx, rx): (Sender<u32>, Receiver<u32>) = channel(8);
        for i in 0..6 {
            tx.send(i).unwrap();
        }
        let mut it = rx.iter();
        assert_eq!(it.next(), Some(0));
        let _ = format!("{it:?}");
        let mut it = rx.try_iter();
        assert_eq!(Iterator::next(&mut it), Some(1));
        let _ = format!("{it:?}");
        for x in &rx {
            assert_eq!(x, 2);
            if rx.len() < 4 {
                break;
            }
        }
        assert_eq!((&rx).into_iter().next(), Some(3));
        fn fused<I: FusedIterator>(_: &I) {}
        fused(&rx.iter());
        drop(tx);
        assert_eq!(rx.into_iter().collect::<Vec<_>>(), [4, 5]);
    });
    let (tx, rx) = unbounded::<Opaque>();
    let _: Result<(), SendTimeoutError<Opaque>> = tx.send_timeout(Opaque, Duration::MAX);
    let _: Result<(), SendTimeoutError<Opaque>> = tx.send_deadline(Opaque, Instant::now());
    let _: Result<Opaque, RecvTimeoutError> = rx.recv_timeout(Duration::MAX);
    let _: Result<Opaque, RecvTimeoutError> = rx.recv_deadline(Instant::now());
    let (tx, rx) = unbounded::<i32>();
    assert_eq!(tx.try_send(1), Ok(()));
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    let _: (Sender<Vec<u8>>, Receiver<Vec<u8>>) = sync::unbounded();
    let _ = sync::channel::<()>(0);
}

#[test]
fn oneshot_broadcast_watch() {
    run(|| {
        let (tx, rx): (OneSender<String>, OneReceiver<String>) = oneshot();
        let h = spawn(move || rx.recv());
        tx.send("hello".to_string()).unwrap();
        assert_eq!(h.join().unwrap(), Ok("hello".to_string()));

        let (tx, rx) = oneshot::<Opaque>();
        drop(rx);
        assert!(matches!(tx.send(Opaque), Err(SendError(Opaque))));
        let (tx, rx) = oneshot::<i32>();
        drop(tx);
        assert_eq!(rx.recv(), Err(RecvError));

        let (tx, rx) = broadcast::<i32>(2);
        let rx2 = rx.clone();
        let _tx2 = tx.clone();
        let _ = tx.send(1);
        let _ = tx.send(2);
        assert_eq!(rx.recv().unwrap(), 1);
        let _ = tx.send(3);
        println!("{:?}", rx2.recv());

        let (tx, rx) = watch(1);
        let _ = tx.send(2);
        assert_eq!(*rx.borrow(), 2);
        rx.changed().unwrap();
    });
}

#[test]
fn locks_have_their_impls() {
    is_debug::<Mutex<i32>>();
    is_debug::<RwLock<i32>>();
    is_debug::<Condvar>();
    is_debug::<Semaphore>();
    is_debug::<Event>();
    is_debug::<Barrier>();
    is_debug::<BarrierWaitResult>();
    is_debug::<WaitGroup>();
    is_debug::<OnceCell<i32>>();
    is_debug::<MutexGuard<'static, i32>>();
    is_debug::<RwLockReadGuard<'static, i32>>();
    is_debug::<RwLockWriteGuard<'static, i32>>();
    is_default::<Mutex<i32>>();
    is_default::<RwLock<i32>>();
    is_default::<Condvar>();
    is_default::<Event>();
    is_default::<WaitGroup>();
    is_default::<OnceCell<Opaque>>();
    is_clone::<WaitGroup>();
    let _: Mutex<i32> = 3.into();
    let _ = Mutex::from(3);
    let _ = RwLock::from(3);
    let _ = OnceCell::from(3);
    let mut m = Mutex::new(1);
    *m.get_mut() += 1;
    assert_eq!(m.into_inner(), 2);
    let mut l = RwLock::new(1);
    *l.get_mut() += 1;
    assert_eq!(l.into_inner(), 2);
    let mut made = OnceCell::from(3);
    assert_eq!(made.clone(), made);
    assert_ne!(made, OnceCell::new());
    assert_eq!((made.take(), made.take()), (Some(3), None));
    let mut c = OnceCell::<i32>::new();
    assert_eq!(c.get(), None);
    assert_eq!(c.get_mut(), None);
    assert_eq!(c.set(3), Ok(()));
    assert_eq!(c.set(4), Err(4));
    assert_eq!(c.into_inner(), Some(3));
    fn derefs<G: Deref<Target = i32> + DerefMut>(mut g: G) -> i32 {
        *g += 1;
        *g
    }
    run(|| {
        let m = Mutex::new(1);
        assert_eq!(derefs(m.lock()), 2);
        assert_eq!(derefs(m.try_lock().unwrap()), 3);
        assert_eq!(format!("{}", m.lock()), "3");
        assert_eq!(format!("{:?}", m.lock()), "3");
        let l = RwLock::new(1);
        assert_eq!(derefs(l.write()), 2);
        assert_eq!(derefs(l.try_write().unwrap()), 3);
        assert_eq!(*l.read(), 3);
        assert_eq!(*l.try_read().unwrap(), 3);
        assert_eq!(format!("{}", l.read()), "3");
        let c = OnceCell::new();
        assert_eq!(c.get_or_init(|| 3), &3);
        assert_eq!(c.get(), Some(&3));
        let b = Barrier::new(1);
        assert!(b.wait().is_leader());
        let s = Semaphore::new(2);
        let p = s.acquire();
        assert_eq!(s.available_permits(), 1);
        let q = s.try_acquire();
        assert!(q.is_some());
        assert!(s.try_acquire().is_none());
        drop((p, q));
        let e = Event::new();
        assert!(!e.is_set());
        e.set();
        e.wait();
        e.clear();
        let g = WaitGroup::new();
        let h = g.clone();
        spawn(move || drop(h));
        g.wait();
        let cv = Condvar::new();
        let mut guard = m.lock();
        cv.notify_one();
        cv.notify_all();
        let mut n = 0;
        cv.wait_while(&mut guard, |_v: &mut i32| {
            n += 1;
            false
        });
        assert_eq!(n, 1);
        let result: WaitTimeoutResult =
            cv.wait_timeout_while(&mut guard, Duration::MAX, |_v: &mut i32| false);
        assert!(!result.timed_out());
        let result: WaitTimeoutResult = cv.wait_timeout(&mut guard, Duration::from_millis(1));
        assert!(result.timed_out());
        assert_eq!(format!("{result:?}"), "WaitTimeoutResult(true)");
        let downgraded: RwLockReadGuard<'_, i32> = RwLockWriteGuard::downgrade(l.write());
        assert_eq!(*downgraded, 3);
    });
}

#[test]
fn unsized_and_shared() {
    run(|| {
        let m: Rc<Mutex<[i32]>> = Rc::new(Mutex::new([1, 2, 3]));
        m.lock()[0] = 5;
        assert_eq!(m.lock().len(), 3);
        let l: Box<RwLock<dyn Debug>> = Box::new(RwLock::new(7));
        assert_eq!(format!("{:?}", &*l.read()), "7");
        let both = Rc::new((Mutex::new(false), Condvar::new()));
        let other = both.clone();
        let h = spawn(move || {
            let (m, c) = &*other;
            let mut g = m.lock();
            while !*g {
                c.wait(&mut g);
            }
        });
        corobin::yield_now();
        *both.0.lock() = true;
        both.1.notify_one();
        h.join().unwrap();
    });
}

#[test]
fn constants() {
    thread_local! {
        static M: Mutex<i32> = const { Mutex::new(1) };
        static L: RwLock<i32> = const { RwLock::new(1) };
        static C: Condvar = const { Condvar::new() };
        static O: OnceCell<i32> = const { OnceCell::new() };
        static E: Event = const { Event::new() };
        static S: Semaphore = const { Semaphore::new(1) };
    }
    run(|| M.with(|m| assert_eq!(*m.lock(), 1)));
    L.with(|_| ());
    C.with(|_| ());
    O.with(|_| ());
    E.with(|_| ());
    S.with(|_| ());
}
