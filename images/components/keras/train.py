"""A small convolutional network in Keras, with fit()."""

import digits
import keras

keras.utils.set_random_seed(0)
images, labels, test_images, test_labels = digits.load()
model = keras.Sequential(
    [
        keras.layers.Reshape((8, 8, 1)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9), loss=loss)
model.fit(images, labels, batch_size=32, epochs=10, verbose=0)
scores = model.predict(test_images, verbose=0)
digits.report("keras", f"{keras.__version__} ({keras.backend.backend()})", scores, test_labels)
