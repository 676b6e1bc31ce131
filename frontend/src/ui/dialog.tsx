/** A dialog above the page: Esc, its button or a press beside it closes it. */
import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { words } from "../words/vocabulary";
import { Icon } from "./icon";

interface DialogProps {
  id: string;
  title: string;
  isOpen: Signal<boolean>;
  /** It cannot be closed but by what it asks for. */
  isFirm?: boolean;
  children: ComponentChildren;
}

/** Mounts its children while it is open. */
export function Dialog({ id, title, isOpen, isFirm = false, children }: DialogProps) {
  const at = useRef<HTMLDialogElement>(null);
  const open = isOpen.value;
  useEffect(() => {
    const dialog = at.current;
    if (!dialog || dialog.open === open) return;
    if (open) dialog.showModal();
    else dialog.close();
  }, [open]);
  const close = (): void => {
    isOpen.value = false;
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Esc closes it too, by the browser
    <dialog
      id={id}
      ref={at}
      aria-labelledby={`${id}-title`}
      onClose={close}
      onCancel={(event) => isFirm && event.preventDefault()}
      onClick={(event) => !isFirm && event.target === at.current && close()}
    >
      {open ? (
        <>
          <header>
            <h2 id={`${id}-title`}>{title}</h2>
            {isFirm ? null : (
              <button type="button" class="icon" aria-label={words("close")} title={words("close")} onClick={close}>
                <Icon name="close" />
              </button>
            )}
          </header>
          <div class="content">{children}</div>
        </>
      ) : null}
    </dialog>
  );
}
