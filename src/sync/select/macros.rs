//! The `select!` macro.

/// Waits for one of several channel operations, or for none of them.
///
/// The syntax is that of `crossbeam_channel::select!`:
///
/// ```
/// use corobin::{run, select, sync::channel};
/// use std::time::Duration;
///
/// run(|| {
///     let (tx1, rx1) = channel(1);
///     let (tx2, rx2) = channel::<&str>(1);
///     tx1.send(7).unwrap();
///     let text = select! {
///         recv(rx1) -> item => format!("received {item:?}"),
///         send(tx2, "only made if it is sent") -> result => format!("sent: {result:?}"),
///         default(Duration::from_secs(1)) => "nothing for a second".to_owned(),
///     };
///     assert!(text == "received Ok(7)" || text == "sent: Ok(())");
///     drop(rx2);
/// });
/// ```
///
/// - Exactly one operation takes place, and then its arm is evaluated, outside of any
///   closure: `return`, `break`, `continue` and `?` mean what they mean around it.
/// - Among several that are ready one is picked at random. Under
///   [`schedule_seed`](crate::RuntimeBuilder::schedule_seed) the picks are the same in each run.
/// - `recv(rx) -> result` gives a `Result<T, RecvError>`, `send(tx, message) -> result` a
///   `Result<(), SendError<T>>`. A closed channel is ready. The message is evaluated only
///   if its `send` is picked; should that take the channel's room away, the send waits.
/// - `default => …` is taken if nothing is ready, `default(duration) => …` if nothing was
///   for so long. In a loop of `select!`s that take `default`, some let the others run first.
/// - Receivers and senders may be given as such or by reference. One `select!` never
///   receives what it sends itself.
///
/// A suspension point, also with a `default`. A cancelled wait has done nothing, and
/// holds nobody else up. Operations that are known only at run time
/// are for [`Select`](crate::sync::Select).
///
/// # Panics
/// If it has to wait outside of a runtime.
#[macro_export]
macro_rules! select {
    ($($arms:tt)*) => {
        $crate::__select!(@list ($($arms)*) ())
    };
}

/// Takes a `select!` apart, in these stages:
///
/// - `@list` splits it into arms, with blocks for bodies and a comma after each;
/// - `@arm` sorts operations from the default;
/// - `@open` puts each operation into a variable, of the same name in the source but
///   another for each level of the macro;
/// - `@select` calls the function, and `@body` finds the arm by its number.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    (@list () ($($arms:tt)*)) => {
        $crate::__select!(@arm ($($arms)*) () ())
    };
    (@list (default => $($rest:tt)*) $arms:tt) => {
        $crate::__select!(@list (default() => $($rest)*) $arms)
    };
    (@list ($kind:ident $args:tt $(-> $result:pat)? => { $($body:tt)* }, $($rest:tt)*) ($($arms:tt)*)) => {
        $crate::__select!(@list ($($rest)*) ($($arms)* $kind $args $(-> $result)? => { $($body)* },))
    };
    (@list ($kind:ident $args:tt $(-> $result:pat)? => $body:expr, $($rest:tt)*) ($($arms:tt)*)) => {
        $crate::__select!(@list ($($rest)*) ($($arms)* $kind $args $(-> $result)? => { $body },))
    };
    (@list ($kind:ident $args:tt $(-> $result:pat)? => { $($body:tt)* } $($rest:tt)*) ($($arms:tt)*)) => {
        $crate::__select!(@list ($($rest)*) ($($arms)* $kind $args $(-> $result)? => { $($body)* },))
    };
    (@list ($kind:ident $args:tt $(-> $result:pat)? => $body:expr) ($($arms:tt)*)) => {
        $crate::__select!(@list () ($($arms)* $kind $args $(-> $result)? => { $body },))
    };
    (@list ($kind:ident $args:tt => $($rest:tt)*) $arms:tt) => {
        ::std::compile_error!(::std::concat!(
            "expected `-> result =>` after `", ::std::stringify!($kind $args), "`"
        ))
    };
    (@list ($($rest:tt)*) $arms:tt) => {
        ::std::compile_error!(::std::concat!(
            "expected `recv(rx) -> result => …`, `send(tx, message) -> result => …`, \
             `default => …` or `default(duration) => …`, each with a comma after it, found `",
            ::std::stringify!($($rest)*), "`"
        ))
    };

    (@arm () $operations:tt $default:tt) => {
        $crate::__select!(@open $operations $default ())
    };
    (@arm (recv($rx:expr $(,)?) -> $result:pat => $body:tt, $($rest:tt)*) ($($operations:tt)*) $default:tt) => {
        $crate::__select!(@arm
            ($($rest)*) ($($operations)* recv($rx) -> $result => $body,) $default)
    };
    (@arm (send($tx:expr, $message:expr $(,)?) -> $result:pat => $body:tt, $($rest:tt)*) ($($operations:tt)*) $default:tt) => {
        $crate::__select!(@arm
            ($($rest)*) ($($operations)* send($tx, $message) -> $result => $body,) $default)
    };
    (@arm (default($($limit:expr)? $(,)?) => $body:tt, $($rest:tt)*) $operations:tt ()) => {
        $crate::__select!(@arm ($($rest)*) $operations (default($($limit)?) => $body))
    };
    (@arm (default $($rest:tt)*) $operations:tt ($($default:tt)+)) => {
        ::std::compile_error!("there can be only one `default` in a `select!`")
    };
    (@arm ($kind:ident $args:tt $($rest:tt)*) $operations:tt $default:tt) => {
        ::std::compile_error!(::std::concat!(
            "expected `recv(rx) -> result`, `send(tx, message) -> result`, `default` or \
             `default(duration)`, found `", ::std::stringify!($kind $args), "`"
        ))
    };

    (@open (recv($rx:expr) -> $result:pat => $body:tt, $($rest:tt)*) $default:tt ($($open:tt)*)) => {
        match $rx {
            ref receiver => {
                let operation = $crate::sync::__select::Receive::new(receiver);
                $crate::__select!(@open
                    ($($rest)*) $default ($($open)* recv(operation) -> $result => $body,))
            }
        }
    };
    (@open (send($tx:expr, $message:expr) -> $result:pat => $body:tt, $($rest:tt)*) $default:tt ($($open:tt)*)) => {
        match $tx {
            ref sender => {
                let operation = $crate::sync::__select::Offer::new(sender);
                $crate::__select!(@open
                    ($($rest)*) $default ($($open)* send(operation, $message) -> $result => $body,))
            }
        }
    };
    (@open () $default:tt $open:tt) => {{
        let picked = $crate::__select!(@select $open $default);
        $crate::__select!(@body picked $open $default)
    }};

    (@select $open:tt ()) => {
        $crate::sync::__select::select($crate::__select!(@pairs $open))
    };
    (@select $open:tt (default() => $body:tt)) => {
        $crate::sync::__select::try_select($crate::__select!(@pairs $open))
    };
    (@select $open:tt (default($limit:expr) => $body:tt)) => {
        $crate::sync::__select::select_timeout($crate::__select!(@pairs $open), $limit)
    };

    (@pairs ()) => {
        ()
    };
    (@pairs ($kind:ident($operation:ident $($message:tt)*) -> $result:pat => $body:tt, $($rest:tt)*)) => {
        ($operation, $crate::__select!(@pairs ($($rest)*)))
    };

    (@body $picked:ident (recv($operation:ident) -> $result:pat => $body:tt, $($rest:tt)*) $default:tt) => {
        if $picked == 0 {
            let $result = $operation.result();
            $body
        } else {
            let next = $picked - 1;
            $crate::__select!(@body next ($($rest)*) $default)
        }
    };
    (@body $picked:ident (send($operation:ident, $message:expr) -> $result:pat => $body:tt, $($rest:tt)*) $default:tt) => {
        if $picked == 0 {
            let claim = $operation.claim();
            let $result = claim.send($message);
            $body
        } else {
            let next = $picked - 1;
            $crate::__select!(@body next ($($rest)*) $default)
        }
    };
    (@body $picked:ident () (default($($limit:expr)?) => $body:tt)) => {{
        let _ = $picked;
        $body
    }};
    (@body $picked:ident () ()) => {
        $crate::sync::__select::impossible($picked)
    };
}
