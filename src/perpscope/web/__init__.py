"""The face over HTTP: answers, streams and the page. Reads a store and listens to a bus; never slows the heart."""
