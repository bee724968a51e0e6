//! The value of a cell's last expression.
//!
//! The kernel compiles `(expression).evcxr_display()`. A trait for everything that has
//! `Debug` makes that one compile; what this crate shows richly is found while it runs, by
//! the type's number. Selection by autoref, the usual way, has no step left for it here: a
//! receiver that is not to be moved, and need not be mutable, is looked at as `&T` only.

use std::any::TypeId;
use std::fmt::Debug;
use std::marker::PhantomData;

use candle_core::{Tensor, Var};
use compacter_core::Error;
use compacter_core::config::RunConfig;

use super::bars::Bars;
use super::chart::Chart;
use super::heat::Heat;
use super::{Bundle, Rich, Table, number};
use crate::channel::{Channel, Message, Op};
use crate::error::NotebookError;
use crate::run::{Comparison, Factors, Outcome, Parameters, Run, Trained};

/// Shows the value of a cell's last expression.
pub trait EvcxrDisplay {
    /// Shows the value as the cell's result.
    fn evcxr_display(&self);
}

impl<T: Debug + ?Sized> EvcxrDisplay for T {
    fn evcxr_display(&self) {
        if let Some(bundle) = bundle_of(self) {
            let channel = Channel::of_process();
            channel.send(Message::new(Op::Result, channel.cell(), bundle));
        }
    }
}

/// What is shown of a value; nothing of `()`, which a statement is.
pub(crate) fn bundle_of<T: Debug + ?Sized>(value: &T) -> Option<Bundle> {
    if id_of::<T>() == TypeId::of::<()>() {
        return None;
    }
    Some(rich(value).map_or_else(|| Bundle::plain(number::debug(value)), Rich::bundle))
}

/// The value as one of the types that are shown richly.
fn rich<T: ?Sized>(value: &T) -> Option<&dyn Rich> {
    macro_rules! one_of {
        ($($known:ty),+ $(,)?) => {
            $(if let Some(value) = known::<T, $known>(value) {
                return Some(value);
            })+
        };
    }
    one_of!(
        Tensor,
        Var,
        Table,
        Chart,
        Bars,
        Heat,
        Bundle,
        Run,
        Comparison,
        Factors,
        Outcome,
        Parameters,
        Trained,
        RunConfig,
        Error,
        NotebookError,
        Result<Tensor, candle_core::Error>,
        Result<Tensor, NotebookError>,
        Result<Table, NotebookError>,
        Result<Heat, NotebookError>,
        Result<Factors, NotebookError>,
        Result<Outcome, NotebookError>,
        Result<Parameters, NotebookError>,
        Result<Comparison, NotebookError>,
        Result<Trained, NotebookError>,
    );
    None
}

impl<T: Rich, E: Debug> Rich for Result<T, E> {
    fn bundle(&self) -> Bundle {
        match self {
            Ok(value) => value.bundle(),
            Err(error) => Bundle::plain(format!("Err({error:?})")),
        }
    }
}

/// The value as a `K`, if it is one.
fn known<T: ?Sized, K: 'static>(value: &T) -> Option<&K> {
    if id_of::<T>() != TypeId::of::<K>() {
        return None;
    }
    // SAFETY: `T` and `K` are the same type up to lifetimes, and `K`, which is named above
    // and has no lifetime in it, leaves nothing to differ in. `K` is sized, so `T` is, and
    // the pointer is a plain one. The borrow is that of `value`.
    #[expect(unsafe_code, reason = "the type is the same, see SAFETY")]
    Some(unsafe { &*std::ptr::from_ref(value).cast::<K>() })
}

/// The number of a type, its lifetimes left out.
///
/// `TypeId::of` asks for `'static`, which `Option<&T>` and other values of cells are not.
fn id_of<T: ?Sized>() -> TypeId {
    trait Numbered {
        fn number(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T: ?Sized> Numbered for PhantomData<T> {
        fn number(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let nothing = PhantomData::<T>;
    let nothing: &dyn Numbered = &nothing;
    // SAFETY: only the bound of the trait object is made longer, to name `T` without its
    // lifetimes. Nothing of `T` is reached through it: `PhantomData` holds no value.
    #[expect(unsafe_code, reason = "no value of the type is touched, see SAFETY")]
    let nothing =
        unsafe { std::mem::transmute::<&dyn Numbered, &(dyn Numbered + 'static)>(nothing) };
    nothing.number()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_tensor_is_shown_richly_and_a_borrowed_value_as_its_debug_text() {
        let tensor = Tensor::new(&[1f32, 2.0], &candle_core::Device::Cpu).unwrap();
        assert!(bundle_of(&tensor).unwrap().html().contains("mean"));
        let chart = crate::show::chart::of("a wave", [("sin", vec![(0.0, 0.0), (1.0, 0.8)])]);
        assert!(bundle_of(&chart).unwrap().html().contains("<svg"));
        let heat = crate::show::heat::of("a row", [("x", &tensor)]);
        assert!(bundle_of(&heat).unwrap().html().contains("<svg"));
        let words = ["a".to_owned()];
        let bundle = bundle_of(&words.first()).unwrap();
        assert_eq!((bundle.text(), bundle.html()), ("Some(\"a\")", ""));
        assert!(bundle_of(&()).is_none());
        assert_eq!(bundle_of("text").unwrap().text(), "\"text\"");
    }

    #[test]
    fn the_method_is_found_on_whatever_a_cell_may_end_with() {
        #[derive(Debug)]
        struct Own<'a> {
            #[expect(dead_code, reason = "shown")]
            text: &'a str,
        }
        let text = String::from("x");
        Own { text: &text }.evcxr_display();
        [1, 2].evcxr_display();
        text.as_str().evcxr_display();
        text.chars().collect::<Vec<_>>().evcxr_display();
    }
}
