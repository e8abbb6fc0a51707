//! Reading FlatBuffers, as far as a `.tflite` file needs it.
//!
//! Nothing is copied, so that a small file cannot ask for much memory by naming a part of itself
//! many times; nothing recurses; every offset is checked where it is followed. What points outside
//! of the file is [`Damaged`].

/// The bytes are no FlatBuffer, or a truncated one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

type Result<T> = std::result::Result<T, Damaged>;

/// A table: fields by number, each of which may be absent.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
    /// For each field its distance from `at`, as little-endian `u16`; 0 where it is absent.
    fields: &'a [u8],
}

/// A vector of offsets to tables.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    bytes: &'a [u8],
    /// Where the first offset lies.
    first: usize,
    len: usize,
}

/// A vector of numbers, four or eight bytes each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Numbers<'a, const SIZE: usize>(&'a [u8]);

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    let end = at.checked_add(N).ok_or(Damaged)?;
    bytes.get(at..end).and_then(|bytes| bytes.try_into().ok()).ok_or(Damaged)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<usize> {
    array(bytes, at).map(|bytes| u32::from_le_bytes(bytes) as usize)
}

/// Where the offset at `at` points to: offsets count from where they lie.
fn follow(bytes: &[u8], at: usize) -> Result<usize> {
    at.checked_add(u32_at(bytes, at)?).ok_or(Damaged)
}

/// The bytes of the vector at `at`, with elements of `size` bytes.
fn vector(bytes: &[u8], at: usize, size: usize) -> Result<&[u8]> {
    let length = u32_at(bytes, at)?.checked_mul(size).ok_or(Damaged)?;
    let start = at + 4;
    let end = start.checked_add(length).ok_or(Damaged)?;
    bytes.get(start..end).ok_or(Damaged)
}

impl<'a> Table<'a> {
    /// The root of a file whose identifier is `identifier`.
    pub fn root(bytes: &'a [u8], identifier: &[u8; 4]) -> Result<Self> {
        if array::<4>(bytes, 4)? != *identifier {
            return Err(Damaged);
        }
        Self::new(bytes, follow(bytes, 0)?)
    }

    fn new(bytes: &'a [u8], at: usize) -> Result<Self> {
        // The distance back to the vtable is signed.
        let back = i64::from(i32::from_le_bytes(array(bytes, at)?));
        let vtable = i64::try_from(at).ok().and_then(|at| at.checked_sub(back)).ok_or(Damaged)?;
        let vtable = usize::try_from(vtable).map_err(|_| Damaged)?;
        let size = usize::from(u16::from_le_bytes(array(bytes, vtable)?));
        let end = vtable.checked_add(size).ok_or(Damaged)?;
        // Two numbers, the sizes of the vtable and of the table, stand before the fields.
        let fields = bytes.get(vtable + 4..end).ok_or(Damaged)?;
        Ok(Self { bytes, at, fields })
    }

    /// Where field number `field` lies, if it is there.
    fn field(&self, field: usize) -> Result<Option<usize>> {
        let Ok(distance) = array(self.fields, 2 * field) else { return Ok(None) };
        match usize::from(u16::from_le_bytes(distance)) {
            0 => Ok(None),
            distance => self.at.checked_add(distance).map(Some).ok_or(Damaged),
        }
    }

    pub fn u8(&self, field: usize) -> Result<u8> {
        self.field(field)?.map_or(Ok(0), |at| array(self.bytes, at).map(|[byte]| byte))
    }

    pub fn i32(&self, field: usize, default: i32) -> Result<i32> {
        let at = self.field(field)?;
        at.map_or(Ok(default), |at| array(self.bytes, at).map(i32::from_le_bytes))
    }

    pub fn u32(&self, field: usize) -> Result<usize> {
        self.field(field)?.map_or(Ok(0), |at| u32_at(self.bytes, at))
    }

    pub fn u64(&self, field: usize) -> Result<u64> {
        let at = self.field(field)?;
        at.map_or(Ok(0), |at| array(self.bytes, at).map(u64::from_le_bytes))
    }

    pub fn f32(&self, field: usize) -> Result<f32> {
        let at = self.field(field)?;
        at.map_or(Ok(0.0), |at| array(self.bytes, at).map(f32::from_le_bytes))
    }

    /// A table in the field, or a union's.
    pub fn table(&self, field: usize) -> Result<Option<Table<'a>>> {
        let Some(at) = self.field(field)? else { return Ok(None) };
        Self::new(self.bytes, follow(self.bytes, at)?).map(Some)
    }

    fn vector(&self, field: usize, size: usize) -> Result<&'a [u8]> {
        let Some(at) = self.field(field)? else { return Ok(&[]) };
        vector(self.bytes, follow(self.bytes, at)?, size)
    }

    /// The bytes in the field; none where it is absent.
    pub fn bytes(&self, field: usize) -> Result<&'a [u8]> {
        self.vector(field, 1)
    }

    /// The text in the field; empty where it is absent.
    pub fn text(&self, field: usize) -> Result<&'a str> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| Damaged)
    }

    /// The numbers in the field, `SIZE` bytes each; none where it is absent.
    pub fn numbers<const SIZE: usize>(&self, field: usize) -> Result<Numbers<'a, SIZE>> {
        self.vector(field, SIZE).map(Numbers)
    }

    /// The tables in the field; none where it is absent.
    pub fn tables(&self, field: usize) -> Result<Tables<'a>> {
        let Some(at) = self.field(field)? else {
            return Ok(Tables { bytes: self.bytes, first: 0, len: 0 });
        };
        let at = follow(self.bytes, at)?;
        let len = vector(self.bytes, at, 4)?.len() / 4;
        Ok(Tables { bytes: self.bytes, first: at + 4, len })
    }
}

impl<'a> Tables<'a> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn get(&self, index: usize) -> Result<Table<'a>> {
        if index >= self.len {
            return Err(Damaged);
        }
        Table::new(self.bytes, follow(self.bytes, self.first + 4 * index)?)
    }
}

impl<'a, const SIZE: usize> Numbers<'a, SIZE> {
    pub fn len(&self) -> usize {
        self.0.len() / SIZE
    }

    fn raw(self) -> impl Iterator<Item = [u8; SIZE]> + 'a {
        self.0.chunks_exact(SIZE).filter_map(|bytes| bytes.try_into().ok())
    }
}

impl<'a> Numbers<'a, 4> {
    pub fn i32s(self) -> impl Iterator<Item = i32> + 'a {
        self.raw().map(i32::from_le_bytes)
    }

    pub fn f32s(self) -> impl Iterator<Item = f32> + 'a {
        self.raw().map(f32::from_le_bytes)
    }
}

impl<'a> Numbers<'a, 8> {
    pub fn i64s(self) -> impl Iterator<Item = i64> + 'a {
        self.raw().map(i64::from_le_bytes)
    }
}
