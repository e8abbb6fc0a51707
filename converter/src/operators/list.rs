//! A list of operators as an enum, so that a layer can be cloned, compared and matched on, with one
//! trait for what all of them do.

/// An enum of operators that hands out the trait they all have.
macro_rules! operators {
    ($(#[$doc:meta])* $name:ident: $trait:ident { $($variant:ident($operator:ty),)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $($variant($operator),)*
        }

        impl $name {
            pub fn as_dyn(&self) -> &dyn $trait {
                match self {
                    $(Self::$variant(operator) => operator,)*
                }
            }

            pub fn as_dyn_mut(&mut self) -> &mut dyn $trait {
                match self {
                    $(Self::$variant(operator) => operator,)*
                }
            }
        }

        $(
            impl From<$operator> for $name {
                fn from(operator: $operator) -> Self {
                    Self::$variant(operator)
                }
            }
        )*
    };
}
