"""How compiled functions of ours are put together: what others call is not made into machine code of its own.

Numba optimises every function together with all that it calls, and makes machine code of it, whether anybody calls it
from Python or not: what stands below ten others it does ten times. Here a part is only handed on, and all of it is
optimised once, in what Python calls. What happens seldom is left outside the loop that every bar goes through: inside,
it takes the registers that the bar would have. Loops over a handful of slots are not spread over vectors: gathering
eight fields of eight records takes longer than looking at the one that is there.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import llvmlite.binding as llvm  # type: ignore[import-untyped,unused-ignore]  # it ships no types
from numba.core.caching import FunctionCache  # type: ignore[import-untyped,unused-ignore]  # nor does numba
from numba.core.codegen import JITCodeLibrary  # type: ignore[import-untyped,unused-ignore]  # as above
from numba.core.compiler import CompilerBase, DefaultPassBuilder  # type: ignore[import-untyped,unused-ignore]

#: Of numba and of the values it handles: it ships no types.
_Any: TypeAlias = Any

#: What numba calls the place of a function's environment, which it fills in once the function is there.
_ENVIRONMENT = "_ZN08NumbaEnv"


class _Whole(JITCodeLibrary):  # type: ignore[misc,unused-ignore]
    """A function with all that it calls, as Python, or an address, calls it."""

    def _optimize_final_module(self: _Any) -> None:
        # nobody else calls its parts: what they are handed, and answer, LLVM may change as it likes
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == llvm.Linkage.linkonce_odr:
                function.linkage = "internal"
        passes, builder = self._codegen._module_pass_manager(loop_vectorize=False, slp_vectorize=False)
        passes.run(self._final_module, builder)


class _Part(JITCodeLibrary):  # type: ignore[misc,unused-ignore]
    """A function that is linked into others: of machine code it has the places of environments alone."""

    def finalize(self: _Any) -> None:
        """Link what it calls, keep all of it for its callers, and leave nothing to be made into machine code."""
        self._raise_if_finalized()
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalized = True
        self._get_module_for_linking()
        names = [found.name for found in self._final_module.global_variables if found.name.startswith(_ENVIRONMENT)]
        rest = str(self._codegen._create_empty_module(self.name))
        rest += "".join(f'@"{name}" = common global i8* null\n' for name in names)
        self._final_module = llvm.parse_assembly(rest)
        self._finalize_final_module()


class _Marked(_Part):
    """A part that LLVM is told to put into its callers, or to leave outside.

    It is told of this function alone: what numba itself is told (`forceinline`) it hands on to all that is called, down
    to the rarest.
    """

    mark: str

    def add_llvm_module(self: _Any, made: _Any) -> None:
        """Take the function's own code."""
        for function in made.functions:
            if not function.is_declaration:
                function.add_function_attribute(self.mark)
        super().add_llvm_module(made)  # type: ignore[no-untyped-call,unused-ignore]


class _Inlined(_Marked):
    mark = "alwaysinline"


class _Apart(_Marked):
    mark = "noinline"


class _Putting(CompilerBase):  # type: ignore[misc,unused-ignore]
    """Numba's own way of compiling, into another library."""

    library: type[JITCodeLibrary]

    def define_pipelines(self: _Any) -> list[_Any]:
        """Numba's passes, as they are."""
        state, passes = self.state, cast("_Any", DefaultPassBuilder)
        state.library = self.library(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return [passes.define_nopython_pipeline(state)]


class Wholes(_Putting):
    """Of what Python calls."""

    library = _Whole


class Parts(_Putting):
    """Of what compiled code alone calls."""

    library = _Part


class Inlines(_Putting):
    """Of what every bar goes through."""

    library = _Inlined


class Aparts(_Putting):
    """Of what few bars go through."""

    library = _Apart


class KeptBeside(FunctionCache):  # type: ignore[misc,unused-ignore]
    """Where a part, or what is made of a function, is kept for the next process: beside the function itself."""

    def __init__(self: _Any, function: Callable[..., _Any], what: str) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call,unused-ignore]
        self._what = what

    def _index_key(self: _Any, *told: _Any) -> tuple[_Any, ...]:
        return (*super()._index_key(*told), self._what)  # type: ignore[no-untyped-call,unused-ignore]
